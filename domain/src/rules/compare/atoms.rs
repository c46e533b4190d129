//! What a condition asks: its atoms, and the constants that they compare fields with.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use serde_json::Value as Json;

use crate::rules::limits::check_text;
use crate::time::Timestamp;
use crate::value::Decimal;

/// A condition as a tree over its atoms.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// Always so, or never.
    Constant(bool),
    /// Both.
    And(Box<Tree>, Box<Tree>),
    /// At least one.
    Or(Box<Tree>, Box<Tree>),
    /// Not.
    Not(Box<Tree>),
    /// The second or the third, as the first says.
    If(Box<Tree>, Box<Tree>, Box<Tree>),
    /// A question that is not taken apart any further, by its number.
    Atom(usize),
}

impl Tree {
    /// How many parts it has.
    pub fn size(&self) -> usize {
        1 + match self {
            Self::Constant(_) | Self::Atom(_) => 0,
            Self::Not(inner) => inner.size(),
            Self::And(left, right) | Self::Or(left, right) => left.size() + right.size(),
            Self::If(asked, then, otherwise) => asked.size() + then.size() + otherwise.size(),
        }
    }
}

/// An atom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Atom {
    /// Whether asking it can fail: sums can overflow.
    pub can_fail: bool,
}

/// What some conditions ask of one field.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Points {
    /// Numbers it is compared with: whole ones, ten-thousandths, or milliseconds.
    pub numbers: BTreeSet<i64>,
    /// Texts it is compared with, or that it is asked to contain.
    pub texts: BTreeSet<String>,
    /// Patterns it is compared with.
    pub patterns: BTreeSet<Pattern>,
}

/// A pattern: literal pieces, and `None` for whatever may stand between.
pub(super) type Pattern = Vec<Option<String>>;

/// The atoms of some conditions.
#[derive(Debug, Clone, Default)]
pub(super) struct Atoms {
    /// All of them.
    pub all: Vec<Atom>,
    /// What they ask of each field.
    pub fields: BTreeMap<String, Points>,
    /// Whether a field's points are all there is to know: not so if it is compared with another field, or computed with.
    pub plain: bool,
    /// Where each of them is in `all`, by its text.
    known: BTreeMap<String, usize>,
}

/// A literal that a field can be compared with.
enum Literal {
    Number(i64),
    Text(String),
    Truth,
}

impl Atoms {
    /// No atoms.
    pub fn new() -> Self {
        Self { plain: true, ..Self::default() }
    }

    /// Takes a condition apart, and adds its atoms. None if it cannot be read.
    pub fn add(&mut self, condition: &str) -> Option<Tree> {
        check_text(condition).ok()?;
        let source = format!("permit(principal, action, resource) when {{\n{condition}\n}};");
        let json = Policy::parse(None, &source).ok()?.to_json().ok()?;
        let body = json.get("conditions")?.get(0)?.get("body")?;
        Some(self.tree(body))
    }

    fn tree(&mut self, json: &Json) -> Tree {
        let both = |name: &str| {
            let both = json.get(name)?;
            Some((both.get("left")?, both.get("right")?))
        };
        if let Some(truth) = json.get("Value").and_then(Json::as_bool) {
            return Tree::Constant(truth);
        }
        if let Some((left, right)) = both("&&") {
            return Tree::And(Box::new(self.tree(left)), Box::new(self.tree(right)));
        }
        if let Some((left, right)) = both("||") {
            return Tree::Or(Box::new(self.tree(left)), Box::new(self.tree(right)));
        }
        if let Some(arg) = json.get("!").and_then(|not| not.get("arg")) {
            return Tree::Not(Box::new(self.tree(arg)));
        }
        let choice = json.get("if-then-else");
        let part = |name| choice.and_then(|choice| choice.get(name));
        if let (Some(asked), Some(then), Some(otherwise)) = (part("if"), part("then"), part("else")) {
            return Tree::If(
                Box::new(self.tree(asked)),
                Box::new(self.tree(then)),
                Box::new(self.tree(otherwise)),
            );
        }
        self.atom(json)
    }

    fn atom(&mut self, json: &Json) -> Tree {
        let text = json.to_string();
        if let Some(known) = self.known.get(&text) {
            return Tree::Atom(*known);
        }
        self.known.insert(text, self.all.len());
        if !self.note(json) {
            self.plain = false;
            self.mention(json);
        }
        self.all.push(Atom { can_fail: computes(json) });
        Tree::Atom(self.all.len() - 1)
    }

    /// Notes what an atom asks; whether that is all that it asks.
    fn note(&mut self, json: &Json) -> bool {
        let Some((name, inner)) = json.as_object().and_then(|object| object.iter().next()) else {
            return false;
        };
        let sides = || match inner {
            Json::Array(both) => both.first().zip(both.get(1)),
            _ => inner.get("left").zip(inner.get("right")),
        };
        match name.as_str() {
            "." | "has" => match field(json) {
                Some(name) => self.point(name, Literal::Truth),
                None => false,
            },
            "isEmpty" => match inner.get("arg").and_then(field) {
                Some(name) => self.point(name, Literal::Truth),
                None => false,
            },
            "like" => {
                let (name, pattern) =
                    (inner.get("left").and_then(field), inner.get("pattern").and_then(pattern));
                let Some((name, pattern)) = name.zip(pattern) else { return false };
                self.fields.entry(name.to_owned()).or_default().patterns.insert(pattern);
                true
            }
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "lessThan" | "lessThanOrEqual" | "greaterThan"
            | "greaterThanOrEqual" | "contains" | "containsAll" | "containsAny" => {
                sides().is_some_and(|(left, right)| self.compared(left, right))
            }
            _ => false,
        }
    }

    /// A field compared with literals, on either side.
    fn compared(&mut self, left: &Json, right: &Json) -> bool {
        let (name, other) = match (field(left), field(right)) {
            (Some(name), None) => (name, right),
            (None, Some(name)) => (name, left),
            // Two literals ask nothing.
            (None, None) => return literals(left).is_some() && literals(right).is_some(),
            _ => return false,
        };
        let Some(literals) = literals(other) else { return false };
        self.fields.entry(name.to_owned()).or_default();
        literals.into_iter().all(|literal| self.point(name, literal))
    }

    fn point(&mut self, name: &str, literal: Literal) -> bool {
        let points = self.fields.entry(name.to_owned()).or_default();
        match literal {
            Literal::Number(number) => drop(points.numbers.insert(number)),
            Literal::Text(text) => drop(points.texts.insert(text)),
            Literal::Truth => {}
        }
        true
    }

    /// Notes every field and every literal of an atom that is not understood, for want of better.
    fn mention(&mut self, json: &Json) {
        let mut names = BTreeSet::new();
        let mut found = Vec::new();
        walk(json, &mut |part| {
            names.extend(field(part).map(str::to_owned));
            found.extend(literals(part).into_iter().flatten());
        });
        let (mut numbers, mut texts) = (BTreeSet::new(), BTreeSet::new());
        for literal in found {
            match literal {
                Literal::Number(number) => drop(numbers.insert(number)),
                Literal::Text(text) => drop(texts.insert(text)),
                Literal::Truth => {}
            }
        }
        for name in names {
            let points = self.fields.entry(name).or_default();
            points.numbers.extend(&numbers);
            points.texts.extend(texts.iter().cloned());
        }
    }
}

/// The field that an expression reads or asks for: `resource.mgdl`, `resource has mgdl`.
fn field(json: &Json) -> Option<&str> {
    let read = json.get(".").or_else(|| json.get("has"))?;
    let of_resource = read.get("left")?.get("Var")? == "resource";
    let name = match read.get("attr")? {
        Json::Array(path) => path.first()?.as_str()?,
        attr => attr.as_str()?,
    };
    of_resource.then_some(name)
}

/// What a literal says, or each literal of a set; none if it is no literal.
fn literals(json: &Json) -> Option<Vec<Literal>> {
    if let Some(set) = json.get("Set").and_then(Json::as_array) {
        return set.iter().map(literal).collect();
    }
    literal(json).map(|one| vec![one])
}

fn literal(json: &Json) -> Option<Literal> {
    let called = |name: &str| json.get(name)?.get(0)?.get("Value")?.as_str();
    if let Some(text) = called("decimal") {
        return Decimal::parse(text).map(|decimal| Literal::Number(decimal.0));
    }
    if let Some(text) = called("datetime") {
        return instant(text).map(|time| Literal::Number(time.millis()));
    }
    if let Some(inner) = json.get("neg").and_then(|neg| neg.get("arg")) {
        return match literal(inner)? {
            Literal::Number(number) => number.checked_neg().map(Literal::Number),
            _ => None,
        };
    }
    match json.get("Value")? {
        Json::Number(number) => number.as_i64().map(Literal::Number),
        Json::String(text) => Some(Literal::Text(text.clone())),
        Json::Bool(_) => Some(Literal::Truth),
        _ => None,
    }
}

/// A time as conditions write it, which is Cedar's form: a day, or an instant whose offset has no colon.
pub fn instant(text: &str) -> Option<Timestamp> {
    let whole = match text.len().checked_sub(5).and_then(|at| text.split_at_checked(at)) {
        _ if text.len() == 10 => format!("{text}T00:00:00Z"),
        Some((time, offset)) if offset.starts_with(['+', '-']) => {
            let (hours, minutes) = offset.split_at_checked(3)?;
            format!("{time}{hours}:{minutes}")
        }
        _ => text.to_owned(),
    };
    Timestamp::parse(&whole).ok()
}

fn pattern(json: &Json) -> Option<Pattern> {
    let part = |part: &Json| match part.get("Literal").and_then(Json::as_str) {
        Some(literal) => Some(Some(literal.to_owned())),
        None => (part == "Wildcard").then_some(None),
    };
    let parts: Option<Pattern> = json.as_array()?.iter().map(part).collect();
    // Letters come one by one.
    parts.map(|parts| {
        parts.into_iter().fold(Pattern::new(), |mut joined, part| {
            match (joined.last_mut(), part) {
                (Some(Some(before)), Some(next)) => before.push_str(&next),
                (Some(None), None) => {}
                (_, part) => joined.push(part),
            }
            joined
        })
    })
}

/// Whether asking can fail.
fn computes(json: &Json) -> bool {
    const COMPUTING: [&str; 10] =
        ["+", "-", "*", "neg", "offset", "durationSince", "toDate", "toTime", "duration", "ip"];
    let mut found = false;
    walk(json, &mut |part| {
        let keys = part.as_object().into_iter().flat_map(|object| object.keys());
        // The negation of a literal is one.
        let negated = literal(part).is_some();
        found |= !negated && keys.into_iter().any(|key| COMPUTING.contains(&key.as_str()));
    });
    found
}

fn walk<'a>(json: &'a Json, visit: &mut impl FnMut(&'a Json)) {
    visit(json);
    match json {
        Json::Object(object) => object.values().for_each(|value| walk(value, visit)),
        Json::Array(array) => array.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}
