//! What must not be readable on the link: what the client says, and what it gets.

use std::collections::BTreeSet;

/// Shorter texts occur by chance in what is encrypted.
const SHORTEST: usize = 8;

/// The lines of a client's statements as they are sent, and every value of the rows that it is to print.
/// Nothing that is too short to be told from chance.
pub fn canaries(sql: &str, rows: &[Vec<String>]) -> Vec<String> {
    let lines = sql.lines().map(|line| line.trim().trim_end_matches(';'));
    let values = rows.iter().flatten().map(String::as_str);
    let texts: BTreeSet<&str> = lines
        .chain(values)
        .filter(|text| text.len() >= SHORTEST)
        .collect();
    texts.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::canaries;

    #[test]
    fn statements_and_values_that_chance_does_not_make() {
        let sql =
            "USE a;\n  INSERT INTO message VALUES (1, 'Crypto Hi');\nSELECT * FROM message;\n";
        let rows = [vec!["1".to_owned(), "Crypto Hi".to_owned()]];
        assert_eq!(
            canaries(sql, &rows),
            [
                "Crypto Hi",
                "INSERT INTO message VALUES (1, 'Crypto Hi')",
                "SELECT * FROM message"
            ]
        );
        assert!(canaries("", &[]).is_empty());
    }
}
