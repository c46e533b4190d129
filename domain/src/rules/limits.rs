//! What a rule set may cost: to read, and for every item that it is evaluated against.
//!
//! Cedar reads a condition recursively, and so does the code that compares and explains conditions. [`check_text`] bounds
//! the depth of a condition by its text alone, in linear time, before anything recursive sees it. Cedar's `like` takes
//! time in proportion to pattern times text. [`accept`] bounds the cost of a rule set with its data types' limits, so
//! that no group's rules can occupy the functions that evaluate them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::compile::{RuleError, RulePart};
use super::{CompiledRules, compile};
use crate::datatype::{DEFAULT_MAX_LENGTH, DataType, FieldType, MAX_SET};
use crate::id::Name;
use crate::stack::RuleSet;

/// The most bytes of a condition, in a contract as in a rule.
pub const MAX_CONDITION: usize = 4096;
/// The most levels of a condition: brackets, `!`, `-` and `if` within each other, and operators in a row.
pub const MAX_DEPTH: usize = 256;
/// The most rules of a group.
pub const MAX_RULES: usize = 50;
/// The most bytes of all conditions of a group's rules, each counted once for each of its rule's types.
pub const MAX_TEXT: usize = 64 * 1024;
/// The most types of all rules of a group, each counted once for each rule that names it.
pub const MAX_POLICIES: usize = 1000;
/// The most steps that one rule's condition may take for one item.
pub const MAX_CONDITION_COST: u64 = 500_000;
/// The most steps that a group's rules may take for one item. A step takes about a nanosecond.
pub const MAX_COST: u64 = 1_000_000;

/// Steps of a rule without a condition.
const RULE: u64 = 2_000;
/// Steps of one node of Cedar's JSON form of a condition.
const NODE: u64 = 40;
/// Steps of a member of a list that is written down, besides those of its nodes: the list is made anew each time.
const MEMBER: u64 = 150;
/// Steps of a value that is read from a text: `decimal("1.5")`.
const READ: u64 = 1_000;
/// Steps of `like` for each character of the text, besides one for each of the pattern: Cedar copies the text, and begins
/// again at each character.
const LIKE: u64 = 4;
/// The most bytes of a text or set of an item: an item is a row of DynamoDB.
const ROW: u64 = 400 * 1024;

/// Checks that reading a condition takes a bounded stack.
///
/// # Errors
/// What is wrong and what to do, if the condition has too many bytes or levels.
pub(super) fn check_text(text: &str) -> Result<(), (String, String)> {
    let help = "split it into several rules: an item is shared if any selects it";
    if text.len() > MAX_CONDITION {
        let message = format!("the condition has {} bytes; it may have at most {MAX_CONDITION}", text.len());
        return Err((message, help.to_owned()));
    }
    let depth = depth(text);
    if depth > MAX_DEPTH {
        let message = format!(
            "the condition has up to {depth} levels of brackets and operators; it may have at most {MAX_DEPTH}"
        );
        return Err((message, help.to_owned()));
    }
    Ok(())
}

/// What stands between two brackets.
#[derive(Default)]
struct Level {
    /// Operators in a row, each of which encloses what stands before it.
    operators: usize,
    /// Reads and calls in a row, `a.b.c()`, and the longest such run.
    run: usize,
    longest_run: usize,
    /// The depth of the deepest brackets within.
    inner: usize,
    /// The deepest of the members before this one.
    members: usize,
}

impl Level {
    fn operator(&mut self) {
        self.operators += 1;
        self.run = 0;
    }

    fn access(&mut self) {
        self.run += 1;
        self.longest_run = self.longest_run.max(self.run);
    }

    fn depth(&self) -> usize {
        self.members.max(1 + self.operators + self.longest_run + self.inner)
    }

    /// A comma: what follows is not enclosed by the operators so far.
    fn next(&mut self) {
        *self = Self { members: self.depth(), ..Self::default() };
    }
}

/// An upper bound of the depth of Cedar's tree of a condition, whether or not it is well-formed.
fn depth(text: &str) -> usize {
    let mut levels = vec![Level::default()];
    let mut rest = text.as_bytes();
    // Whether brackets that open here belong to what stands before them: a call, or a field by its name.
    let mut behind_operand = false;
    while let Some((first, after)) = rest.split_first() {
        let (Some(level), mut taken) = (levels.last_mut(), 1) else { break };
        let behind = std::mem::take(&mut behind_operand);
        match first {
            b'"' => {
                taken = string(rest);
                behind_operand = true;
            }
            // Cedar ends a comment at either.
            b'/' if after.first() == Some(&b'/') => {
                taken = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
                behind_operand = behind;
            }
            b'(' | b'[' | b'{' => {
                if behind {
                    level.access();
                }
                levels.push(Level::default());
            }
            b')' | b']' | b'}' => {
                close(&mut levels);
                behind_operand = true;
            }
            b',' => level.next(),
            b'.' => level.access(),
            b'!' | b'-' | b'+' | b'*' | b'/' | b'%' | b'&' | b'|' => {
                level.operator();
                taken += usize::from(matches!(first, b'&' | b'|') && after.first() == Some(first));
            }
            b'=' | b'<' | b'>' => level.run = 0,
            _ if is_word(*first) => {
                taken = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                behind_operand = true;
                match rest.get(..taken) {
                    Some(b"if") => level.operator(),
                    Some(b"then" | b"else" | b"in" | b"is" | b"like" | b"has") => level.run = 0,
                    _ => {}
                }
            }
            // Blanks, which may stand anywhere.
            _ => behind_operand = behind,
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    while levels.len() > 1 {
        close(&mut levels);
    }
    levels.first().map_or(0, Level::depth)
}

/// Closes the innermost brackets, if any are open.
fn close(levels: &mut Vec<Level>) {
    if levels.len() < 2 {
        return;
    }
    if let (Some(closed), Some(outer)) = (levels.pop(), levels.last_mut()) {
        outer.inner = outer.inner.max(closed.depth());
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes a string has, with its quotes; all of them if it is not closed.
fn string(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The steps that evaluating something takes for one item, at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Steps whatever the item says.
    fixed: u64,
    /// Characters of all patterns: steps for each character that a text has.
    patterns: u64,
    /// Steps for texts and sets that are as large as the data type allows.
    values: u64,
}

impl Cost {
    /// The steps for the costliest item.
    pub fn total(self) -> u64 {
        self.fixed.saturating_add(self.values)
    }

    /// The steps for an item whose texts have at most this many characters.
    pub(super) fn of_texts(self, characters: u64) -> u64 {
        self.fixed.saturating_add(self.patterns.saturating_mul(characters)).min(self.total())
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.fixed = self.fixed.saturating_add(other.fixed);
        self.patterns = self.patterns.saturating_add(other.patterns);
        self.values = self.values.saturating_add(other.values);
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps", self.total())
    }
}

/// The cost of a rule for items of a data type, by Cedar's JSON form of its condition.
pub(super) fn cost(condition: Option<&Json>, data_type: &DataType) -> Cost {
    let mut cost = Cost { fixed: RULE, ..Cost::default() };
    if let Some(condition) = condition {
        add(condition, data_type, &mut cost);
    }
    cost
}

fn add(json: &Json, data_type: &DataType, cost: &mut Cost) {
    match json {
        Json::Object(object) => {
            for (key, inner) in object {
                cost.fixed += NODE;
                match key.as_str() {
                    "like" => {
                        let pattern = inner.get("pattern").and_then(Json::as_array);
                        let pattern = LIKE + pattern.map_or(0, Vec::len) as u64;
                        cost.patterns += pattern;
                        let text = inner.get("left").map_or(0, |left| size(left, data_type));
                        cost.values = cost.values.saturating_add(pattern.saturating_mul(text));
                        // Its letters are no nodes.
                        inner.get("left").into_iter().for_each(|left| add(left, data_type, cost));
                        continue;
                    }
                    "==" | "!=" | "contains" | "containsAll" | "containsAny" => {
                        cost.values = cost.values.saturating_add(compared(inner, data_type));
                    }
                    "Set" => cost.fixed += MEMBER.saturating_mul(inner.as_array().map_or(0, Vec::len) as u64),
                    "decimal" | "datetime" | "duration" | "ip" => cost.fixed += READ,
                    _ => {}
                }
                add(inner, data_type, cost);
            }
        }
        Json::Array(array) => array.iter().for_each(|one| add(one, data_type, cost)),
        _ => {}
    }
}

/// The steps of comparing sets, or of looking a text up in one: each member is hashed.
fn compared(sides: &Json, data_type: &DataType) -> u64 {
    let sides: [Option<&Json>; 2] = match sides {
        Json::Array(both) => [both.first(), both.get(1)],
        _ => [sides.get("left"), sides.get("right")],
    };
    let members = |json: &Json| json.get("Set").and_then(Json::as_array).map(|set| set.len() as u64);
    let most = sides.iter().flatten().map(|side| size(side, data_type)).max().unwrap_or(0);
    let longest = |field: &crate::datatype::Field| u64::from(field.max_length.unwrap_or(DEFAULT_MAX_LENGTH));
    let longest = data_type.fields.values().map(longest).max().unwrap_or(0);
    // Against a list that is written down, no more members are hashed than it has.
    let listed = sides.iter().flatten().find_map(|side| members(side));
    let literal = sides.iter().flatten().any(|side| side.get("Value").is_some());
    match listed {
        Some(count) => most.min(count.saturating_mul(longest)),
        None if literal => 0,
        None => most,
    }
}

/// The most characters of the largest text or set that an expression can come to.
fn size(json: &Json, data_type: &DataType) -> u64 {
    let mut most = 0;
    visit(json, &mut |key, inner| {
        let found = match key {
            "Value" => inner.as_str().map_or(0, |text| text.len() as u64),
            "." => {
                let name = inner.get("attr").and_then(Json::as_str).unwrap_or_default();
                data_type.fields.get(name).map_or(0, |field| {
                    let longest = u64::from(field.max_length.unwrap_or(DEFAULT_MAX_LENGTH)).min(ROW);
                    match field.kind {
                        FieldType::String => longest,
                        FieldType::Set => longest.saturating_mul(MAX_SET as u64).min(ROW),
                        _ => 0,
                    }
                })
            }
            _ => 0,
        };
        most = most.max(found);
    });
    most
}

fn visit(json: &Json, seen: &mut impl FnMut(&str, &Json)) {
    match json {
        Json::Object(object) => {
            for (key, inner) in object {
                seen(key, inner);
                visit(inner, seen);
            }
        }
        Json::Array(array) => array.iter().for_each(|one| visit(one, seen)),
        _ => {}
    }
}

/// Checks the number and the size of rules before they are compiled.
///
/// # Errors
/// The first rule that is beyond a limit.
pub fn check_size(rules: &RuleSet) -> Result<(), RuleError> {
    let refused = |rule: usize, message: String, help: &str| {
        Err(RuleError { rule, part: RulePart::Rule, message, help: help.to_owned() })
    };
    let (mut bytes, mut policies) = (0_usize, 0_usize);
    for (index, rule) in rules.rules.iter().enumerate() {
        bytes =
            bytes.saturating_add(rule.when.as_ref().map_or(0, String::len).saturating_mul(rule.types.len()));
        policies = policies.saturating_add(rule.types.len());
        if index >= MAX_RULES {
            let message = format!("a group may have at most {MAX_RULES} rules, not {}", rules.rules.len());
            return refused(index, message, "combine rules that differ in their conditions only by `||`");
        }
        if policies > MAX_POLICIES {
            let message = format!(
                "the rules up to this one name {policies} data types in all; {MAX_POLICIES} is the most"
            );
            return refused(index, message, "let fewer rules name the same data types");
        }
        if bytes > MAX_TEXT {
            let message = format!(
                "the conditions up to this rule's have {bytes} bytes, each counted once for each of its data types; \
                 {MAX_TEXT} is the most"
            );
            return refused(
                index,
                message,
                "shorten the conditions, or let rules with long ones name fewer data types",
            );
        }
    }
    Ok(())
}

/// Compiles rules that somebody wants to have. Unlike [`compile`], which reads what was accepted before as well, it
/// refuses rules that cost too much.
///
/// # Errors
/// Every mistake in every rule, and each rule whose cost is beyond a limit.
pub fn accept(types: &BTreeMap<Name, DataType>, rules: &RuleSet) -> Result<CompiledRules, Vec<RuleError>> {
    check_size(rules).map_err(|error| vec![error])?;
    let compiled = compile(types, rules)?;
    let errors = check_cost(rules, &compiled);
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

const CHEAPER: &str = "shorten the patterns of `like`, give the fields that they look at a smaller `maxLength`, or \
                       compare with `==` or `contains` and a list";

fn check_cost(rules: &RuleSet, compiled: &CompiledRules) -> Vec<RuleError> {
    let mut errors = Vec::new();
    let mut sums: BTreeMap<&Name, u64> = BTreeMap::new();
    for (index, rule) in rules.rules.iter().enumerate() {
        let each = rule.types.iter().map(|name| (compiled.rule_cost(name, index), name));
        let Some((cost, name)) = each.clone().max() else { continue };
        let mut refused = |message: String| {
            errors.push(RuleError { rule: index, part: RulePart::Rule, message, help: CHEAPER.into() })
        };
        if cost > MAX_CONDITION_COST {
            refused(format!(
                "the condition takes up to {cost} steps for an item of `{name}`; {MAX_CONDITION_COST} is the most"
            ));
            continue;
        }
        for (cost, name) in each {
            let sum = sums.entry(name).or_default();
            let before = *sum;
            *sum = sum.saturating_add(cost);
            if before <= MAX_COST && *sum > MAX_COST {
                refused(format!(
                    "the rules up to this one take up to {sum} steps for an item of `{name}`; {MAX_COST} is the most"
                ));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests;
