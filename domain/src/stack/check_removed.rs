//! What left the file: groups, data types and fields that may go (`removed`), and groups under a new name (`renamedFrom`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::id::Name;
use crate::stack::Removed;

use super::report::{Fields, Report, quoted};
use super::source::At;
use super::yaml::{Entry, Kind, Node};
use super::{codes, reference};

/// Reads the section `removed`.
pub(super) fn removed(root: &Fields<'_>, report: &mut Report) -> Removed {
    let Some(entry) = root.get("removed") else { return Removed::default() };
    let section = report.section(&entry.value, entry.key_at, &reference::REMOVED, "`removed`");
    let Some(section) = section else { return Removed::default() };
    let mut names = |key: &str, what: &str| match section.get(key) {
        Some(entry) => gone(entry, what, root.get(key), report),
        None => BTreeSet::new(),
    };
    let (groups, data_types) = (names("groups", "group"), names("dataTypes", "data type"));
    let fields = match section.get("fields") {
        Some(entry) => gone_fields(entry, root.get("dataTypes"), report),
        None => BTreeMap::new(),
    };
    Removed { groups, data_types, fields }
}

/// The fields of a list, such as `glucose.note`, none of which may still be declared.
fn gone_fields(entry: &Entry, types: Option<&Entry>, report: &mut Report) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut fields: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (text, at) in report.distinct(entry).unwrap_or_default() {
        let (type_text, field_text) = text.split_once('.').unwrap_or((text, ""));
        let (Ok(data_type), Ok(field)) = (Name::parse(type_text), Name::parse(field_text)) else {
            let message = format!("{} is not a field of a data type", quoted(text));
            report.add(codes::NAME, at, message, "write the data type and the field, as in `glucose.note`");
            continue;
        };
        let declared = child(types, type_text).and_then(|of| child(child(Some(of), "fields"), field_text));
        if let Some(still) = declared {
            let message = format!("the field {} is under `removed`, and still in the file", quoted(text));
            let help = "take it out of `fields` to remove it, or out of `removed` to keep it";
            report.add_pair(codes::REMOVED, at, still.key_at, message, help);
            continue;
        }
        fields.entry(data_type).or_default().insert(field);
    }
    fields
}

/// The names of a list, none of which may still be declared.
fn gone(entry: &Entry, what: &str, declared: Option<&Entry>, report: &mut Report) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for (text, at) in report.distinct(entry).unwrap_or_default() {
        let name = match Name::parse(text) {
            Ok(name) => name,
            Err(error) => {
                let message = format!("{} cannot be the name of a {what}", quoted(text));
                report.add(codes::NAME, at, message, error.why);
                continue;
            }
        };
        if let Some(still) = children(declared).iter().find(|child| child.key == text) {
            let message = format!("the {what} {} is under `removed`, and still in the file", quoted(text));
            let help = format!("take it out of `{}` to remove it, or out of `removed` to keep it", entry.key);
            report.add_pair(codes::REMOVED, at, still.key_at, message, help);
            continue;
        }
        names.insert(name);
    }
    names
}

/// Checks every `renamedFrom`: one group cannot be two, and what is still there was not renamed.
pub(super) fn renames(root: &Fields<'_>, report: &mut Report) {
    let groups = children(root.get("groups"));
    let declared: HashMap<&str, At> = groups.iter().map(|group| (group.key.as_str(), group.key_at)).collect();
    let removed = listed(root);
    let mut seen: HashMap<&str, At> = HashMap::new();
    for group in groups {
        let Some(entry) = children(Some(group)).iter().find(|key| key.key == "renamedFrom") else { continue };
        let Kind::Scalar(scalar) = &entry.value.kind else { continue };
        let (before, at) = (scalar.text.as_str(), entry.value.at);
        if entry.value.is_null() {
            continue;
        }
        if let Err(error) = Name::parse(before) {
            let message = format!("{} cannot be the name of a group", quoted(before));
            report.add(codes::NAME, at, message, error.why);
        } else if let Some(other) = declared.get(before) {
            let message = format!("{} was not renamed: it is still in the file", quoted(before));
            let help = "remove `renamedFrom`, or the group of the former name";
            report.add_pair(codes::RENAME, at, *other, message, help);
        } else if let Some(first) = seen.insert(before, at) {
            let message = format!("{} cannot have become two groups", quoted(before));
            report.add_pair(codes::RENAME, at, first, message, "keep `renamedFrom` at one of them");
        } else if let Some(other) = removed.get(before) {
            let message = format!("{} is both renamed and under `removed`", quoted(before));
            report.add_pair(codes::RENAME, at, *other, message, "keep one of the two");
        }
    }
}

/// The names that `removed.groups` lists, and where.
fn listed<'n>(root: &Fields<'n>) -> HashMap<&'n str, At> {
    let groups = children(root.get("removed")).iter().find(|entry| entry.key == "groups");
    let Some(Kind::Sequence(nodes)) = groups.map(|entry| &entry.value.kind) else { return HashMap::new() };
    let name = |node: &'n Node| match &node.kind {
        Kind::Scalar(scalar) => Some((scalar.text.as_str(), node.at)),
        _ => None,
    };
    nodes.iter().filter_map(name).collect()
}

fn child<'n>(entry: Option<&'n Entry>, key: &str) -> Option<&'n Entry> {
    children(entry).iter().find(|child| child.key == key)
}

fn children(entry: Option<&Entry>) -> &[Entry] {
    match entry.map(|entry| &entry.value.kind) {
        Some(Kind::Mapping(entries)) => entries,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use crate::id::Name;
    use crate::stack::{Stack, parse};

    const FILE: &str = "version: 1\nname: s\nregion: eu-west-1\ndataTypes:\n  t:\n    time: at\n    fields: { at: { type: datetime, required: true } }\ngroups:\n  new: { owner: a@example.org, rules: [{ types: [t] }], renamedFrom: old }\n";

    fn read(text: &str) -> Result<Stack, String> {
        parse(text, &|_| None).map_err(|diagnostics| {
            let texts = diagnostics.iter().map(|d| format!("{} {}: {}", d.code, d.message, d.help));
            texts.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn a_group_says_what_it_was_called_and_the_file_what_may_go() {
        let stack = read(&format!("{FILE}removed:\n  groups: [gone]\n  dataTypes: [weight]\n")).unwrap();
        let name = |text| Name::parse(text).unwrap();
        assert_eq!(stack.groups[&name("new")].renamed_from, Some(name("old")));
        assert!(stack.removed.groups.contains(&name("gone")));
        assert!(stack.removed.data_types.contains(&name("weight")));
    }

    #[test]
    fn a_field_is_removed_by_the_names_of_its_type_and_its_own() {
        let stack = read(&format!("{FILE}removed: {{ fields: [t.note, gone.x, t.unit] }}\n")).unwrap();
        let fields = stack.removed.fields.iter().map(|(name, fields)| (name.as_str(), fields.len()));
        assert_eq!(fields.collect::<Vec<_>>(), [("gone", 1), ("t", 2)]);
        for (wrong, error) in [
            ("t.at", "FH0124 the field `t.at` is under `removed`, and still in the file"),
            ("note", "FH0110 `note` is not a field of a data type"),
            ("t.", "FH0110 `t.` is not a field of a data type"),
            ("t.a.b", "FH0110 `t.a.b` is not a field of a data type"),
        ] {
            let found = read(&format!("{FILE}removed: {{ fields: [{wrong}] }}\n")).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
    }

    #[test]
    fn what_is_still_in_the_file_is_neither_removed_nor_renamed() {
        let kept = read(&format!("{FILE}removed: {{ dataTypes: [t] }}\n")).unwrap_err();
        assert!(
            kept.starts_with("FH0124 the data type `t` is under `removed`, and still in the file"),
            "{kept}"
        );
        let both = format!("{FILE}  old: {{ owner: a@example.org, rules: [{{ types: [t] }}] }}\n");
        let both = read(&both).unwrap_err();
        assert!(both.starts_with("FH0123 `old` was not renamed: it is still in the file"), "{both}");
        let twice =
            format!("{FILE}  b: {{ owner: a@example.org, rules: [{{ types: [t] }}], renamedFrom: old }}\n");
        assert!(read(&twice).unwrap_err().starts_with("FH0123 `old` cannot have become two groups"));
        let removed = read(&format!("{FILE}removed: {{ groups: [old] }}\n")).unwrap_err();
        assert!(removed.starts_with("FH0123 `old` is both renamed and under `removed`"), "{removed}");
    }

    #[test]
    fn a_data_type_cannot_be_renamed_and_the_message_says_what_to_do_instead() {
        let text = FILE.replace("    time: at\n", "    time: at\n    renamedFrom: u\n");
        let error = read(&text).unwrap_err();
        assert!(
            error
                .starts_with("FH0123 data type `t` cannot be renamed: the name of a data type is in the key"),
            "{error}"
        );
    }
}
