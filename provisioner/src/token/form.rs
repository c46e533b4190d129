//! Enough of HTML to fill in a sign-in form.

/// A form as it stands in the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Where it goes; may be relative or empty.
    pub action: String,
    /// The fields with the values they have.
    pub fields: Vec<(String, String)>,
    /// The name of its password field, if it has one.
    pub password: Option<String>,
    /// The name of the field for the user.
    pub username: Option<String>,
}

/// The first form with a user and a password. Cognito's page has two such, for wide and for narrow screens.
pub fn sign_in_form(html: &str) -> Option<Form> {
    forms(html).into_iter().find(|form| form.password.is_some() && form.username.is_some())
}

/// Every form of the page.
pub fn forms(html: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    for tag in html.split('<').skip(1) {
        let (name, rest) =
            tag.split_at(tag.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(tag.len()));
        match name.to_ascii_lowercase().as_str() {
            "form" => {
                let action = attribute(rest, "action").unwrap_or_default();
                forms.push(Form { action, ..Form::default() });
            }
            "input" => {
                if let Some(form) = forms.last_mut() {
                    add(form, rest);
                }
            }
            _ => {}
        }
    }
    forms
}

fn add(form: &mut Form, attributes: &str) {
    let Some(name) = attribute(attributes, "name") else { return };
    match attribute(attributes, "type").unwrap_or_else(|| "text".to_owned()).to_ascii_lowercase().as_str() {
        "password" => form.password = Some(name),
        "text" | "email" => form.username = form.username.take().or(Some(name)),
        "submit" | "button" | "checkbox" | "radio" => {}
        _ => form.fields.push((name, attribute(attributes, "value").unwrap_or_default())),
    }
}

/// The text that the page shows as an error.
pub fn error_text(html: &str) -> Option<String> {
    // MiniStack: class="error"; Cognito: id="loginErrorMessage".
    let at = ["loginErrorMessage", "class=\"error\""].iter().find_map(|mark| html.find(mark))?;
    let after = html.get(at..)?;
    let text = after.get(after.find('>')? + 1..)?;
    let text = text.get(..text.find('<')?)?.trim();
    (!text.is_empty()).then(|| unescape(text))
}

/// The value of a quoted attribute in the inside of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some(equals) = rest.find('=') {
        let (key, value) = rest.split_at(equals);
        let key = key.trim().rsplit(char::is_whitespace).next().unwrap_or_default();
        let value = value.get(1..)?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (text, after) = match quote {
            Some(quote) => value.get(1..)?.split_once(quote)?,
            None => {
                value.split_at(value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len()))
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(unescape(text));
        }
        rest = after;
    }
    None
}

fn unescape(text: &str) -> String {
    let names =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&#x2F;", "/")];
    let text = names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cognitos_page_gives_its_hidden_fields_and_where_to_send_them() {
        let html = r#"<form name="search"><input name='q' type="text"></form>
            <form action="/login?client_id=a&amp;state=b" method="POST">
            <input type="hidden" name="_csrf" value="11-22&#x2F;"/>
            <input id="u" name="username" type="text" placeholder="a = b">
            <input name=password type=password><input type="hidden" name="cognitoAsfData"/>
            <input name="signInSubmitButton" type="Submit" value="Sign in"></form>"#;
        let form = sign_in_form(html).unwrap();
        assert_eq!(form.action, "/login?client_id=a&state=b");
        let fields = [("_csrf", "11-22/"), ("cognitoAsfData", "")];
        assert_eq!(form.fields, fields.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(
            (form.username.as_deref(), form.password.as_deref()),
            (Some("username"), Some("password"))
        );
    }

    #[test]
    fn what_the_page_complains_of_is_found() {
        let html = r#"<p id="loginErrorMessage" class="x"> Incorrect username &amp; password. </p>"#;
        assert_eq!(error_text(html).as_deref(), Some("Incorrect username & password."));
        assert_eq!(error_text(r#"<div class="error">No.</div>"#).as_deref(), Some("No."));
        assert_eq!(error_text("<html>"), None);
    }

    #[test]
    fn broken_pages_are_no_forms_and_no_panic() {
        for html in
            ["", "<", "<form", "<form action=", "<form><input name=\"", "<input name='a'>", "<form ä=\"ß"]
        {
            assert_eq!(sign_in_form(html), None, "{html}");
        }
    }
}
