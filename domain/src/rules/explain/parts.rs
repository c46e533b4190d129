//! A condition taken apart where it says *and*, *or*, *not* and *if*, each part as it was written.
//!
//! Cedar's own forms of a condition have no places in its text, and people know their conditions by the text. So the
//! text is cut here, along the few tokens that Cedar's grammar puts above comparisons. Whoever asks the parts must hold
//! the outcome against that of the whole condition: see [`super::explain`].

use std::collections::BTreeSet;

use crate::stack::token_length;

/// A condition over its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// All of them, asked from the left.
    And(Vec<Tree>),
    /// At least one, asked from the left.
    Or(Vec<Tree>),
    /// Not.
    Not(Box<Tree>),
    /// The second or the third, as the first says.
    If(Box<[Tree; 3]>),
    /// A part that is not cut any further, by its number.
    Part(usize),
}

/// Where a part stands, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its first byte in the condition.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// The fields that it names, as `resource.mgdl`, `resource["mgdl"]` or `resource has mgdl`.
    pub fields: BTreeSet<String>,
}

/// Takes a condition apart. What cannot be cut is one part.
pub(super) fn take_apart(condition: &str) -> (Tree, Vec<Stretch>) {
    match tokens(condition) {
        Some(tokens) if !tokens.is_empty() => {
            let mut cut = Cut { parts: Vec::new() };
            let tree = cut.expression(&tokens);
            (tree, cut.parts)
        }
        _ => whole(condition),
    }
}

/// A condition as its only part.
pub(super) fn whole(condition: &str) -> (Tree, Vec<Stretch>) {
    let start = condition.len() - condition.trim_start().len();
    let end = condition.trim_end().len().max(start);
    let fields = tokens(condition).map(|tokens| fields(&tokens)).unwrap_or_default();
    (Tree::Part(0), vec![Stretch { start, end, fields }])
}

/// The fields that a condition names.
pub(in crate::rules) fn named(condition: &str) -> BTreeSet<String> {
    tokens(condition).map(|tokens| fields(&tokens)).unwrap_or_default()
}

#[derive(Debug, Clone, Copy)]
struct Token<'t> {
    start: usize,
    text: &'t str,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// How much deeper the tokens behind it stand.
    fn opens(&self) -> isize {
        match self.text {
            "(" | "[" | "{" => 1,
            ")" | "]" | "}" => -1,
            _ => 0,
        }
    }
}

/// The tokens of a condition without its comments; none if a text is never closed.
fn tokens(condition: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    loop {
        let rest = condition.get(start..)?;
        let blank = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        start += blank;
        if rest.is_empty() {
            return Some(tokens);
        }
        if rest.starts_with("//") {
            start += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let length = token_length(rest)?;
        tokens.push(Token { start, text: rest.get(..length)? });
        start += length;
    }
}

fn fields(tokens: &[Token<'_>]) -> BTreeSet<String> {
    let of_resource = tokens.windows(3).filter_map(|three| {
        let [first, second, third] = three else { return None };
        let reads = first.text == "resource" && matches!(second.text, "." | "[" | "has");
        reads.then(|| third.text.trim_matches('"').to_owned())
    });
    of_resource.collect()
}

struct Cut {
    parts: Vec<Stretch>,
}

impl Cut {
    fn expression(&mut self, tokens: &[Token<'_>]) -> Tree {
        if let Some(inside) = in_parentheses(tokens) {
            return self.expression(inside);
        }
        if let Some(sides) = choice(tokens) {
            return Tree::If(Box::new(sides.map(|side| self.expression(side))));
        }
        let either = split(tokens, "||");
        if either.len() > 1 {
            return Tree::Or(self.all(either));
        }
        let both = split(tokens, "&&");
        if both.len() > 1 {
            return Tree::And(self.all(both));
        }
        match tokens {
            [not, rest @ ..] if not.text == "!" && stands_alone(rest) => {
                Tree::Not(Box::new(self.expression(rest)))
            }
            _ => self.part(tokens),
        }
    }

    fn all(&mut self, sides: Vec<&[Token<'_>]>) -> Vec<Tree> {
        sides.into_iter().map(|side| self.expression(side)).collect()
    }

    fn part(&mut self, tokens: &[Token<'_>]) -> Tree {
        let start = tokens.first().map_or(0, |first| first.start);
        let end = tokens.last().map_or(start, Token::end);
        self.parts.push(Stretch { start, end, fields: fields(tokens) });
        Tree::Part(self.parts.len() - 1)
    }
}

/// What stands inside, if one pair of parentheses is around everything.
fn in_parentheses<'s, 't>(tokens: &'s [Token<'t>]) -> Option<&'s [Token<'t>]> {
    let [first, inside @ .., last] = tokens else { return None };
    if first.text != "(" || last.text != ")" || inside.is_empty() {
        return None;
    }
    let mut depth = 0;
    let closed_before = inside.iter().any(|token| {
        depth += token.opens();
        depth < 0
    });
    (!closed_before).then_some(inside)
}

/// The three sides of `if … then … else …`.
fn choice<'s, 't>(tokens: &'s [Token<'t>]) -> Option<[&'s [Token<'t>]; 3]> {
    if tokens.first()?.text != "if" {
        return None;
    }
    let (mut depth, mut ifs, mut then) = (0, 0, None);
    for (at, token) in tokens.iter().enumerate() {
        depth += token.opens();
        match token.text {
            _ if depth > 0 => {}
            "if" => ifs += 1,
            "then" if ifs == 1 && then.is_none() => then = Some(at),
            "else" if ifs == 1 => {
                let then = then?;
                let sides = [tokens.get(1..then)?, tokens.get(then + 1..at)?, tokens.get(at + 1..)?];
                return sides.iter().all(|side| !side.is_empty()).then_some(sides);
            }
            "else" => ifs -= 1,
            _ => {}
        }
    }
    None
}

/// What stands between signs that no bracket encloses.
fn split<'s, 't>(tokens: &'s [Token<'t>], sign: &str) -> Vec<&'s [Token<'t>]> {
    let mut depth = 0;
    let sides: Vec<_> = tokens
        .split(|token| {
            depth += token.opens();
            depth == 0 && token.text == sign
        })
        .collect();
    if sides.iter().any(|side| side.is_empty()) { vec![tokens] } else { sides }
}

/// Whether a `!` before these tokens is about all of them: it binds closer than whatever compares or computes.
fn stands_alone(tokens: &[Token<'_>]) -> bool {
    const BINDING: [&str; 13] = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "in", "has", "like", "is"];
    let mut depth = 0;
    !tokens.is_empty()
        && tokens.iter().all(|token| {
            depth += token.opens();
            depth > 0 || !BINDING.contains(&token.text)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(condition: &str) -> String {
        let (tree, parts) = take_apart(condition);
        fn show(tree: &Tree, texts: &[&str]) -> String {
            let all = |of: &[Tree]| of.iter().map(|one| show(one, texts)).collect::<Vec<_>>().join(", ");
            match tree {
                Tree::And(of) => format!("and({})", all(of)),
                Tree::Or(of) => format!("or({})", all(of)),
                Tree::Not(of) => format!("not({})", show(of, texts)),
                Tree::If(of) => format!("if({})", all(of.as_slice())),
                Tree::Part(at) => texts[*at].to_owned(),
            }
        }
        let texts: Vec<&str> = parts.iter().map(|part| &condition[part.start..part.end]).collect();
        show(&tree, &texts)
    }

    #[test]
    fn a_condition_is_cut_where_cedar_would_cut_it() {
        for (condition, expected) in [
            ("resource.a > 1", "resource.a > 1"),
            ("  resource.a > 1 && resource.b  ", "and(resource.a > 1, resource.b)"),
            ("resource.a || resource.b && resource.c", "or(resource.a, and(resource.b, resource.c))"),
            ("((resource.a || resource.b)) && resource.c", "and(or(resource.a, resource.b), resource.c)"),
            ("(resource.a) == (resource.b)", "(resource.a) == (resource.b)"),
            ("!resource.a", "not(resource.a)"),
            ("!!resource.a", "not(not(resource.a))"),
            ("!(resource.a > 1)", "not(resource.a > 1)"),
            ("!resource.a == resource.b", "!resource.a == resource.b"),
            ("!resource.tags.contains(\"a == b\")", "not(resource.tags.contains(\"a == b\"))"),
            ("resource.a == \"x && (\" && resource.b", "and(resource.a == \"x && (\", resource.b)"),
            (
                "if resource.a then resource.b || resource.c else resource.d",
                "if(resource.a, or(resource.b, resource.c), resource.d)",
            ),
            (
                "if if a then b else c then if d then e else f else if g then h else i",
                "if(if(a, b, c), if(d, e, f), if(g, h, i))",
            ),
            ("(if a then b else c) && d", "and(if(a, b, c), d)"),
            ("a && // b && c\nd", "and(a, d)"),
            ("[1, 2].contains(resource.a) || b", "or([1, 2].contains(resource.a), b)"),
            ("\"open", "\"open"),
            ("&& a", "&& a"),
            ("", ""),
        ] {
            assert_eq!(shown(condition), expected, "{condition}");
        }
    }

    #[test]
    fn the_fields_of_a_part_are_those_that_it_names() {
        let of = |condition: &str| named(condition).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(of("resource.b > resource[\"a\"] && resource has c && resource has \"d\""), "a b c d");
        assert_eq!(of("true // resource.a"), "");
    }
}
