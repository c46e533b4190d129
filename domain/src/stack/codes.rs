//! The codes of configuration errors. Each has a page `docs/errors/<code>.md`.

use crate::diagnostic::Code;

macro_rules! codes {
    ($($name:ident = $code:literal $title:literal;)*) => {
        $(#[doc = $title] pub(crate) const $name: Code = Code($code);)*
        /// Every code of a configuration error, with its short name.
        pub const CODES: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    SYNTAX = "FH0101" "the file is not valid YAML";
    UNREADABLE = "FH0102" "the file is too large or not text";
    NOT_A_MAPPING = "FH0103" "the file is empty or not a mapping";
    UNSUPPORTED = "FH0104" "a YAML feature that stack.yaml does not have";
    VARIABLE = "FH0105" "a variable without a value";
    UNKNOWN_KEY = "FH0106" "unknown key";
    MISSING_KEY = "FH0107" "missing key";
    WRONG_KIND = "FH0108" "wrong kind of value";
    DUPLICATE = "FH0109" "the same thing twice";
    NAME = "FH0110" "invalid name";
    VERSION = "FH0111" "unsupported version of stack.yaml";
    TIME = "FH0112" "`time` is not a required datetime field";
    LIMIT = "FH0113" "a limit that does not fit its field";
    VALUE = "FH0114" "value not allowed";
    DURATION = "FH0115" "invalid retention or history";
    UNKNOWN_TYPE = "FH0116" "unknown data type in a rule";
    UNKNOWN_FIELD = "FH0117" "unknown field in a projection";
    CONDITION = "FH0118" "a condition that does not compile";
    ADDRESS = "FH0119" "invalid e-mail address";
    URL = "FH0120" "invalid URL or origin";
    TAG = "FH0121" "invalid tag";
    REGION = "FH0122" "invalid AWS region";
    RENAME = "FH0123" "a rename that cannot be done";
    REMOVED = "FH0124" "removed, but still in the file";
    SECRET = "FH0125" "a secret in the file";
    EXAMPLE = "FH0126" "an example that its data type refuses";
    COST = "FH0127" "rules that are too many or cost too much";
}
