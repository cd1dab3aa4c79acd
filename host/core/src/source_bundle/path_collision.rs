//! Paths that would be one file on a file system that ignores case.

use super::source_path::SourcePath;

/// Returns two paths of which a file system that ignores case would keep one: they are equal but for case, they have
/// folders that are equal but for case, or one is a file and the other has it as a folder.
pub(super) fn find_collision<'p>(
    paths: impl Iterator<Item = &'p SourcePath>,
) -> Option<(&'p SourcePath, &'p SourcePath)> {
    let mut paths: Vec<_> = paths.collect();
    // Paths of the same folder are neighbours in this order, whatever its case, and a file comes directly before the
    // files in a folder of its name. So two neighbours collide if any two paths do.
    paths.sort_by_cached_key(|path| path.as_str().to_ascii_lowercase().replace('/', "\0"));
    let pair = paths.windows(2).find(|pair| collide(pair[0].as_str(), pair[1].as_str()))?;
    Some((pair[0], pair[1]))
}

fn collide(first: &str, second: &str) -> bool {
    let (mut first, mut second) = (first.split('/'), second.split('/'));
    loop {
        match (first.next(), second.next()) {
            (Some(left), Some(right)) if left == right => {}
            (Some(left), Some(right)) => return left.eq_ignore_ascii_case(right),
            // The paths are equal, or one has the other as a folder.
            _ => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collision(paths: &[&str]) -> Option<(String, String)> {
        let paths: Vec<_> = paths.iter().map(|path| SourcePath::parse(path).unwrap()).collect();
        find_collision(paths.iter()).map(|(a, b)| (a.to_string(), b.to_string()))
    }

    #[test]
    fn paths_that_differ_in_case_only_collide() {
        assert!(collision(&["README", "a/x", "readme"]).is_some());
        assert!(collision(&["a/X.py", "a/x.py"]).is_some());
    }

    #[test]
    fn folders_that_differ_in_case_only_collide() {
        assert!(collision(&["A/m", "a/b", "a/z"]).is_some());
        assert!(collision(&["a/B/m", "a/b/k"]).is_some());
    }

    #[test]
    fn a_file_collides_with_a_folder_of_its_name() {
        assert!(collision(&["a", "a-b", "a.py", "a/b"]).is_some());
        assert!(collision(&["A", "a-b", "a/b"]).is_some());
    }

    #[test]
    fn other_paths_do_not_collide() {
        assert_eq!(collision(&["a", "a-b", "a.b", "ab/a", "ab/b/a", "b/A", "c/a"]), None);
    }
}
