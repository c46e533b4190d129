//! Signing in with a real browser, which comes back to a port on this machine (RFC 8252).

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use reqwest::Url;

use super::{App, TokenError, Tokens, authorize_url, code, exchange, parameter, secrets};

const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);
const THANKS: &str = "You are signed in. You can close this window and go back to the terminal.";
const SORRY: &str = "Signing in did not work. The terminal says why.";

/// Signs in with a browser: gives `show` the address to open, then waits at the app's callback address, which must be
/// a loopback address with a port.
///
/// # Errors
/// See [`TokenError`].
pub async fn sign_in_browser(
    app: &App,
    show: &(dyn Fn(&str) + Send + Sync),
    at_most: Duration,
) -> Result<Tokens, TokenError> {
    let secrets = secrets()?;
    let listener = listen(app)?;
    show(authorize_url(app, &secrets)?.as_str());
    let begun = Instant::now();
    loop {
        if begun.elapsed() > at_most {
            return Err(TokenError::TimedOut(at_most.as_secs()));
        }
        let Ok((stream, _)) = listener.accept() else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        let base = app.redirect_uri.clone();
        // Browsers also ask for icons and open spare connections: only an answer counts.
        let callback = tokio::task::spawn_blocking(move || answer(stream, &base)).await.ok().flatten();
        if let Some(callback) = callback {
            return exchange(app, &code(&callback, &secrets)?, &secrets).await;
        }
    }
}

fn listen(app: &App) -> Result<TcpListener, TokenError> {
    let failed = |why: String| TokenError::Listen { address: app.redirect_uri.clone(), why };
    let url = Url::parse(&app.redirect_uri).map_err(|error| failed(error.to_string()))?;
    let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
    let port = url.port().filter(|_| is_local && url.scheme() == "http");
    let port = port.ok_or_else(|| failed("it is not of the form `http://127.0.0.1:<port>/…`".to_owned()))?;
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| failed(error.to_string()))?;
    listener.set_nonblocking(true).map_err(|error| failed(error.to_string()))?;
    Ok(listener)
}

/// Reads one request; if it is the callback, thanks the person and gives its address.
fn answer(stream: TcpStream, redirect_uri: &str) -> Option<Url> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let base = Url::parse(redirect_uri).ok()?;
    let target = line.strip_prefix("GET ")?.split_whitespace().next()?;
    let url = base.join(target).ok().filter(|url| url.path() == base.path() && url.origin() == base.origin());
    let callback = url.filter(|url| parameter(url, "state").is_some() || parameter(url, "error").is_some());
    // The rest of the request is read, or closing would cut off our answer.
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {}
    let text = match &callback {
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        Some(url) => {
            let body = if parameter(url, "code").is_some() { THANKS } else { SORRY };
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        }
    };
    let _ = reader.get_mut().write_all(text.as_bytes());
    callback
}
