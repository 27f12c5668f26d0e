//! Failure reasons in one spelling.

/// Old Envoys log reasons and details with spaces, newer ones with underscores. This gives both in
/// the newer spelling.
pub fn normalise(reason: &str) -> String {
    let words: Vec<&str> = reason.split_ascii_whitespace().collect();
    words.join("_")
}
