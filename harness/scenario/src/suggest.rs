//! The nearest of the words that are allowed.

/// The allowed word that the given one was probably meant to be.
pub(crate) fn nearest<'a>(
    word: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer than any key of the format: no typing slip.
    if word.len() > 64 {
        return None;
    }
    let near = |candidate: &'a str| {
        let distance = distance(&word.to_lowercase(), &candidate.to_lowercase());
        (distance <= (candidate.len() / 3).max(1)).then_some((distance, candidate))
    };
    allowed
        .into_iter()
        .filter_map(near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, two neighbours swapped counting as one step.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// Words in backticks, separated by commas.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words
        .into_iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let allowed = ["control", "description", "expect", "from", "sql", "to"];
        assert_eq!(nearest("contorl", allowed), Some("control"));
        assert_eq!(nearest("Expect", allowed), Some("expect"));
        assert_eq!(nearest("sqll", allowed), Some("sql"));
        assert_eq!(nearest("colour", allowed), None);
        assert_eq!(nearest("", allowed), None);
    }
}
