//! Cursors, tokens and identifiers: nobody without the key makes one that opens.
#![no_main]

use domain::id::{DriveId, GroupId, InvitationId, ItemId, JobId, UserId};
use domain::time::Timestamp;
use lambdas::api::jwt::Token;
use libfuzzer_sys::fuzz_target;
use store::cursor::CursorKey;

fuzz_target!(|text: &str| {
    assert!(CursorKey::new(vec![7; 32]).open(&["user", "group"], text).is_err(), "a forged cursor opens");
    let _ = Token::read(text);
    if let Ok(id) = ItemId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    let _ = (UserId::parse(text), DriveId::parse(text), GroupId::parse(text));
    let _ = (InvitationId::parse(text), JobId::parse(text));
    if let Ok(time) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&time.to_string()).ok(), Some(time), "{text}");
    }
});
