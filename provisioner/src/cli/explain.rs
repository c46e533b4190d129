//! `provision explain`

use clap::Args;
use serde::Serialize;

use super::App;
use crate::error::{Error, Exit};

include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// Print what an error code means and what to do about it
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code: FH0301; every code with its title if left out
    code: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    code: &'static str,
    title: &'static str,
}

fn list() -> Vec<Listed> {
    // Every page begins with its code and its title; a test sees to that.
    let title = |page: &'static str| page.lines().next()?.split_once(": ").map(|(_, title)| title);
    PAGES.iter().map(|(code, page)| Listed { code, title: title(page).unwrap_or_default() }).collect()
}

impl Explain {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let Some(given) = self.code else {
            let all = list();
            let line = |one: &Listed| format!("{}  {}\n", one.code, one.title);
            app.show(&all, || all.iter().map(line).collect());
            return Ok(Exit::Done);
        };
        let wanted = given.to_uppercase();
        let Some((code, page)) = PAGES.iter().find(|(code, _)| *code == wanted) else {
            let near = |code: &&str| code.get(..4) == wanted.get(..4);
            let codes = || PAGES.iter().map(|(code, _)| *code);
            let mut known: Vec<String> = codes().filter(near).map(str::to_owned).collect();
            if known.is_empty() {
                known = codes().map(str::to_owned).collect();
            }
            return Err(Error::Unknown { what: "the error code", name: given, known });
        };
        app.show(&serde_json::json!({ "code": code, "page": page }), || (*page).to_owned());
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::PAGES;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Every code that stands between quotes in the sources.
    fn used(dir: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                for (at, _) in code.match_indices("\"FH") {
                    if let Some(code) =
                        code.get(at + 1..at + 7).filter(|c| c[2..].bytes().all(|b| b.is_ascii_digit()))
                    {
                        found.insert(code.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut codes = BTreeSet::new();
        for part in ["domain/src", "provisioner/src"] {
            used(&root.join(part), &mut codes);
        }
        let pages: BTreeSet<String> = PAGES.iter().map(|(code, _)| (*code).to_owned()).collect();
        assert_eq!(
            codes.difference(&pages).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "codes without a page"
        );
        assert_eq!(
            pages.difference(&codes).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "pages without a code"
        );
    }

    #[test]
    fn every_page_begins_with_its_code() {
        for (code, page) in PAGES {
            assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        }
    }
}
