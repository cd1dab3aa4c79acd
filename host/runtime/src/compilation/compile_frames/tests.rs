use super::*;

fn written(response: &CompileResponse) -> Vec<u8> {
    let mut bytes = Vec::new();
    response.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_request_is_read_as_it_was_written() {
    let limits = CompileLimits { time: Some(Duration::from_millis(1_500)), memory: None };
    let settings = CompileSettings::for_pool(1 << 26);
    let request = CompileRequest { settings, limits, component_bytes: 7 };
    let mut bytes = Vec::new();
    request.write(&mut bytes).unwrap();
    assert_eq!(CompileRequest::read(&mut bytes.as_slice()).unwrap(), request);
}

#[test]
fn a_response_that_is_cut_off_is_none() {
    let bytes = written(&CompileResponse::Code(b"code".to_vec()));
    for length in 0..bytes.len() {
        assert_eq!(CompileResponse::read(&mut &bytes[..length], 4), None);
    }
    assert_eq!(
        CompileResponse::read(&mut bytes.as_slice(), 4),
        Some(CompileResponse::Code(b"code".to_vec()))
    );
}

#[test]
fn a_response_with_more_code_than_allowed_is_none() {
    let bytes = written(&CompileResponse::Code(b"code".to_vec()));
    assert_eq!(CompileResponse::read(&mut bytes.as_slice(), 3), None);
}

#[test]
fn a_long_error_is_cut() {
    let response = CompileResponse::refused(&"é".repeat(MAX_ERROR_BYTES as usize));
    let bytes = written(&response);
    assert_eq!(CompileResponse::read(&mut bytes.as_slice(), 0), Some(response));
}
