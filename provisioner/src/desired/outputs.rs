//! What is told of a stack that stands.

use std::collections::BTreeMap;

use domain::stack::Stack;

use super::front::scopes;
use super::{API, DesiredOptions, MAIN, Target};
use crate::resource::{Address, Outputs};

/// What people and programs need to use the stack. Holds only what is known.
pub fn stack_outputs(
    stack: &Stack,
    options: &DesiredOptions,
    outputs: &dyn Fn(&Address) -> Option<Outputs>,
) -> BTreeMap<String, String> {
    let of = |kind: &str, name: &str, key: &str| outputs(&Address::new(kind, name))?.get(key).cloned();
    let api_url = match &options.target {
        Target::Aws => of("http_api", API, "endpoint"),
        Target::Local { endpoint } => of("http_api", API, "id").map(|id| local_api_url(endpoint, &id)),
    };
    let client = of("user_pool_client", MAIN, "id");
    let sign_in = of("user_pool_domain", MAIN, "authorizeUrl").zip(client.as_deref());
    let sign_in = sign_in.map(|(url, client)| {
        let scope = scopes().join("+").replace('/', "%2F");
        let url = format!("{url}?client_id={client}&response_type=code&scope={scope}");
        match stack.identity.callback_urls.first() {
            Some(to) => format!("{url}&redirect_uri={}", percent_encode(to)),
            None => url,
        }
    });
    [
        ("apiUrl", api_url),
        ("clientId", client),
        ("poolId", of("user_pool", MAIN, "id")),
        ("issuer", of("user_pool", MAIN, "issuer")),
        ("signInUrl", sign_in),
        ("tokenUrl", of("user_pool_domain", MAIN, "tokenUrl")),
        ("userInfoUrl", of("user_pool_domain", MAIN, "userInfoUrl")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

/// Where the emulator serves the `$default` stage of an API on its own port, so that no name below `localhost` has
/// to resolve. The stage's name is encoded, since people paste the address into shells.
fn local_api_url(endpoint: &str, api: &str) -> String {
    format!("{}/_aws/execute-api/{api}/%24default", endpoint.trim_end_matches('/'))
}

fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            // Writing to a text cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
        encoded
    })
}
