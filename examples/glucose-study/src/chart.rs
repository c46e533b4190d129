//! A small chart of what the group sees.

use std::collections::BTreeMap;

/// The widest bar, in characters.
const WIDTH: usize = 40;
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Bars of counts by name, longest first.
pub fn bars(counts: &BTreeMap<String, usize>) -> String {
    let most = counts.values().copied().max().unwrap_or(0).max(1);
    let width = counts.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut rows: Vec<(&String, usize)> = counts.iter().map(|(name, count)| (name, *count)).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    rows.iter().map(|(name, count)| format!("  {name:width$}  {count:>4}  {}\n", bar(*count, most))).collect()
}

fn bar(count: usize, most: usize) -> String {
    let eighths = (count * WIDTH * 8).div_ceil(most);
    let whole = eighths / 8;
    let rest = (eighths % 8).checked_sub(1).and_then(|at| EIGHTHS.get(at));
    std::iter::repeat_n('█', whole).chain(rest.copied()).collect()
}

/// The counts of the 24 hours of the day in one line, with the hours below it.
pub fn hours(counts: &[usize; 24]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let level = |count: &usize| match count {
        0 => ' ',
        _ => LEVELS.get((count * LEVELS.len()).div_ceil(most) - 1).copied().unwrap_or('█'),
    };
    let line: String = counts.iter().map(level).flat_map(|c| [c, c]).collect();
    format!("  {}\n  0           6           12          18          24\n", line.trim_end())
}

/// The hour of a time such as `2014-02-03T03:42:12Z`.
pub fn hour(taken_at: &str) -> Option<usize> {
    taken_at.get(11..13)?.parse().ok().filter(|hour| *hour < 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_the_first_and_fills_the_width() {
        let text = bars(&BTreeMap::from([("a".into(), 1), ("b".into(), 80), ("c".into(), 0)]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("  b    80  {}", "█".repeat(WIDTH)));
        assert_eq!(lines[1], "  a     1  ▌");
        assert_eq!(lines[2].trim_end(), "  c     0");
    }

    #[test]
    fn hours_stand_above_their_numbers() {
        let mut counts = [0; 24];
        counts[6] = 8;
        counts[12] = 1;
        let text = hours(&counts);
        let line: Vec<char> = text.lines().next().unwrap().chars().collect();
        assert_eq!((line[2 + 12], line[2 + 24]), ('█', '▁'));
        assert_eq!((hour("2014-02-03T03:42:12Z"), hour("soon")), (Some(3), None));
    }
}
