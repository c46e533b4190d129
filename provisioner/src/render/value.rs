//! Values on one line, cut to what fits. Of two long values that differ, the part around the first difference is shown.

use serde_json::Value;

/// How many characters before the first difference are shown.
const BEFORE: usize = 24;

/// A value, of at most so many characters.
pub(super) fn one(value: &Value, most: usize) -> String {
    window(&value.to_string(), 0, most)
}

/// Two values that differ, cut at the same place if one of them is too long.
pub(super) fn pair(before: &Value, after: &Value, most: usize) -> (String, String) {
    let (before, after) = (before.to_string(), after.to_string());
    let long = |text: &str| text.chars().nth(most).is_some();
    if !long(&before) && !long(&after) {
        return (before, after);
    }
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    // The beginning is shown if it says enough.
    let start = if same + BEFORE < most { 0 } else { same.saturating_sub(BEFORE) };
    (window(&before, start, most), window(&after, start, most))
}

/// So many characters of a text from one on, with marks where something is cut off.
fn window(text: &str, start: usize, most: usize) -> String {
    let mut rest = text.chars().skip(start);
    let shown: String = rest.by_ref().take(most).collect();
    let (left, right) = (if start > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{left}{shown}{right}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let text =
            |n: u32| json!({ "types": ["glucose"], "when": "x".repeat(100), "history": { "days": n } });
        let (before, after) = pair(&text(90), &text(30), 72);
        assert!(before.starts_with('…') && before.contains("\"days\":90") && after.contains("\"days\":30"));
        assert!(before.chars().count() <= 74 && after.chars().count() <= 74);
        let (before, after) = pair(&json!("x".repeat(200)), &json!("short"), 72);
        assert!(
            before.starts_with("\"xxx") && before.ends_with('…') && after == "\"short\"",
            "{before} {after}"
        );
        assert_eq!(pair(&json!(1), &json!(2), 72), ("1".to_owned(), "2".to_owned()));
        assert_eq!(one(&json!("ü".repeat(100)), 10), format!("\"{}…", "ü".repeat(9)));
    }
}
