//! What a plan changes about who sees what, in words: for the terminal, and for Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use domain::id::Name;
use domain::rules::compare::Verdict;

use super::board::grouped;
use super::style::Style;
use super::value::one;
use crate::plan::{Consents, Estimate, Known, Plan, Sample, Sharing, TypeSharing};

/// The longest value of an example that is shown whole.
const LONGEST: usize = 40;

/// A verdict in a word.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Narrows => "narrows",
        Verdict::Widens => "widens",
        Verdict::Both => "narrows and widens",
        Verdict::Undecided => "not decided",
    }
}

/// A verdict with how it is known.
pub(super) fn known(sharing: &TypeSharing) -> String {
    let how = match sharing.known {
        Known::Proved => " (proved)",
        Known::Enumerated => " (enumerated)",
        Known::NotDecided => "",
    };
    format!("{}{how}", verdict(sharing.verdict))
}

/// What becomes of the copies.
pub(super) fn work(sharing: &TypeSharing) -> &'static str {
    match sharing.verdict {
        Verdict::Unchanged if !sharing.moves => "no data is moved",
        Verdict::Unchanged => "copies are brought to what conditions now ask",
        Verdict::Narrows => "hidden at once; the copies are removed by a job",
        Verdict::Widens => "past items are copied by a job",
        Verdict::Both => "what is no longer shared is hidden at once; a job brings the copies",
        Verdict::Undecided => {
            "treated as both: what may no longer be shared is hidden at once; a job brings the copies"
        }
    }
}

/// The sentences with examples, if there are some.
pub(super) fn examples(sharing: &TypeSharing) -> Vec<String> {
    let of = |sample: &Option<Sample>, gains| sample.as_ref().map(|sample| example(sample, gains));
    [of(&sharing.appears, true), of(&sharing.vanishes, false)].into_iter().flatten().collect()
}

fn example(sample: &Sample, gains: bool) -> String {
    let (more, less) = if gains { (&sample.after, &sample.before) } else { (&sample.before, &sample.after) };
    let names =
        |names: BTreeSet<&Name>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let what = match (more, less) {
        (Some(more), Some(less)) => {
            let only = names(more.iter().filter(|name| !less.contains(*name)).collect());
            if gains { format!("newly shows {only} of") } else { format!("no longer shows {only} of") }
        }
        _ if gains => "newly shares".to_owned(),
        _ => "no longer shares".to_owned(),
    };
    let fields = sample.fields.iter().map(|(name, value)| format!("{name}: {}", one(value, LONGEST)));
    let joined = sample.joined.map(|joined| format!(" (provider joined {joined})")).unwrap_or_default();
    format!("{what}, for example: {}{joined}", fields.collect::<Vec<_>>().join(", "))
}

/// What bringing the copies after a change moves, in a sentence; none if it was not counted.
pub(super) fn moves(sharing: &Sharing) -> Option<String> {
    let impact = sharing.impact?;
    let parts = [(impact.copied, "made"), (impact.removed, "removed"), (impact.rewritten, "rewritten")];
    let moved: Vec<String> = parts
        .iter()
        .filter(|(estimate, _)| estimate.count > 0)
        .map(|(estimate, what)| format!("{} {what}", number(*estimate)))
        .collect();
    let at_least = if impact.more { "at least " } else { "" };
    let (looked_at, providers) = impact.providers;
    let basis = match (looked_at < providers, providers) {
        (true, _) => format!(", estimated from {looked_at} of {} providers", grouped(providers)),
        (false, 0) => ", nobody shares into it yet".to_owned(),
        (false, _) => String::new(),
    };
    let what = if moved.is_empty() {
        "no copy has to be made or removed".to_owned()
    } else {
        format!("copies: {at_least}{}", moved.join(", "))
    };
    let (reads, writes) = (number(impact.read_units), number(impact.write_units));
    Some(format!("{what}; about {writes} write and {reads} read units{basis}"))
}

/// How the providers take what is newly shared, in a sentence; none if nothing is, or it was not counted.
pub(super) fn consents(sharing: &Sharing) -> Option<String> {
    let Consents { asked, follow, agreed } = sharing.impact?.consents;
    if !sharing.needs_approval() || asked + follow + agreed == 0 {
        return None;
    }
    let mut parts = vec![
        format!("{} asked before they share more", grouped(asked)),
        format!("{} follow the rules", grouped(follow)),
    ];
    if agreed > 0 {
        parts.push(format!("{} agreed to as much before", grouped(agreed)));
    }
    Some(format!("providers: {}", parts.join(", ")))
}

fn number(estimate: Estimate) -> String {
    match estimate.margin {
        0 => grouped(estimate.count),
        margin => format!("{} ± {}", grouped(estimate.count), grouped(margin)),
    }
}

/// How to approve a change.
pub(super) fn approval(sharing: &Sharing) -> String {
    let Sharing { group, code, .. } = sharing;
    format!("needs an approval: `apply --allow-widening {group}`, or `approved: {code}` at the group")
}

/// The changes of a plan, what needs an approval first.
pub(super) fn ordered(plan: &Plan) -> Vec<&Sharing> {
    let mut all: Vec<&Sharing> = plan.sharing.iter().collect();
    all.sort_by_key(|sharing| !sharing.needs_approval());
    all
}

/// The section of a plan for people; empty if it changes nothing about who sees what.
pub(super) fn section(plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    if plan.sharing.is_empty() {
        return text;
    }
    let _ = writeln!(text, "{}\n", style.bold("who sees what"));
    for sharing in ordered(plan) {
        for (name, one) in &sharing.types {
            let head = format!("{}, {name}: {}", sharing.group, known(one));
            let head = match one.verdict {
                Verdict::Widens | Verdict::Both | Verdict::Undecided => style.yellow(&head),
                Verdict::Narrows => style.green(&head),
                Verdict::Unchanged => style.dim(&head),
            };
            let _ = writeln!(text, "  {head}");
            for example in examples(one) {
                let _ = writeln!(text, "      {example}");
            }
            let _ = writeln!(text, "      {}", style.dim(work(one)));
        }
        for note in moves(sharing).into_iter().chain(consents(sharing)) {
            let _ = writeln!(text, "      {}", style.dim(&note));
        }
        if sharing.needs_approval() {
            let _ = writeln!(text, "      {}", style.bold(&approval(sharing)));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Impact;

    /// A widening, a change both ways of a projection, a narrowing, and nothing.
    pub fn some() -> Vec<Sharing> {
        let fields =
            |mgdl| json!({"takenAt": "2026-01-01T00:00:00Z", "mgdl": mgdl}).as_object().cloned().unwrap();
        let names = |names: &[&str]| Some(names.iter().map(|name| Name::parse(name).unwrap()).collect());
        let sample = |mgdl, before: Option<BTreeSet<Name>>, after: Option<BTreeSet<Name>>| {
            Some(Sample { fields: fields(mgdl), joined: None, before, after })
        };
        let one = |group: &str, verdict, known, appears, vanishes: Option<Sample>| {
            let moves = verdict != Verdict::Unchanged;
            let types =
                [(Name::parse("glucose").unwrap(), TypeSharing { verdict, known, moves, appears, vanishes })];
            let count = |count, margin| Estimate { count, margin };
            let impact = match group {
                "clinic" => Some(Impact {
                    removed: count(95, 0),
                    write_units: count(96, 0),
                    providers: (2, 2),
                    ..Impact::default()
                }),
                "ward" => Some(Impact {
                    copied: count(12_300, 400),
                    write_units: count(12_300, 400),
                    read_units: count(9_000, 250),
                    providers: (20, 1_000),
                    consents: Consents { asked: 940, follow: 55, agreed: 5 },
                    ..Impact::default()
                }),
                _ => None,
            };
            let code = "ok-0123456789".into();
            Sharing { group: Name::parse(group).unwrap(), code, types: types.into(), impact }
        };
        let joined = "2025-06-01T00:00:00Z".parse::<String>().unwrap();
        let joined = domain::time::Timestamp::parse(&joined).ok();
        let narrower =
            sample(190, names(&["mgdl", "takenAt"]), None).map(|sample| Sample { joined, ..sample });
        let other = (
            sample(190, names(&["mgdl"]), names(&["takenAt"])),
            sample(190, names(&["mgdl"]), names(&["takenAt"])),
        );
        vec![
            one("clinic", Verdict::Narrows, Known::Proved, None, narrower),
            one("kin", Verdict::Unchanged, Known::Enumerated, None, None),
            one("ward", Verdict::Widens, Known::Proved, sample(150, None, names(&["mgdl", "takenAt"])), None),
            one("lab", Verdict::Both, Known::Enumerated, other.0, other.1),
            one("study", Verdict::Undecided, Known::NotDecided, None, None),
        ]
    }

    #[test]
    fn what_needs_an_approval_is_told_first_with_an_example_and_how_to_approve_it() {
        let plan = Plan {
            version: crate::plan::VERSION,
            stack: "s".into(),
            purpose: crate::plan::Purpose::Apply,
            nodes: vec![],
            sharing: some(),
        };
        insta::assert_snapshot!(section(&plan, Style::default()));
    }
}
