use super::*;

#[derive(serde::Deserialize)]
struct Sample {
    size: ByteSize,
    time: DurationSetting,
}

fn parse(size: &str, time: &str) -> Result<Sample, toml::de::Error> {
    toml::from_str(&format!("size = {size}\ntime = {time}"))
}

#[test]
fn sizes_and_durations_are_parsed_with_their_units() {
    let sample = parse("\"1 MiB\"", "\"1m 30s\"").unwrap();
    assert_eq!(sample.size, ByteSize::mib(1));
    assert_eq!(sample.time, DurationSetting::from_secs(90));
    assert_eq!(parse("4096", "\"5ms\"").unwrap().size, ByteSize::kib(4));
}

#[test]
fn the_error_of_a_wrong_value_has_an_example() {
    let error = parse("\"1 furlong\"", "\"5ms\"").err().map(|e| e.to_string()).unwrap();
    assert!(error.contains("a size such as \"64 KiB\""), "{error}");
    let error = parse("1", "5").err().map(|e| e.to_string()).unwrap();
    assert!(error.contains("a duration such as \"100ms\""), "{error}");
}
