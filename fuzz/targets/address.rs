//! Addresses, names of groups and purposes: what is accepted stays what it is when it is read again.
#![no_main]

use domain::address::Address;
use domain::purpose::Purpose;
use domain::text::check_visible_name;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse(text) {
        let again = Address::parse(address.as_str()).expect("an accepted address is accepted again");
        assert_eq!(again.as_str(), address.as_str());
        assert_eq!(Address::parse(&address.key()).expect("its key is an address").key(), address.key());
    }
    if let Ok(purpose) = Purpose::parse(text) {
        let again = Purpose::parse(purpose.as_str()).expect("an accepted purpose is accepted again");
        assert_eq!(again.as_str(), purpose.as_str());
    }
    let _ = check_visible_name(text);
});
