//! The table itself. A new key is a row here and a line in a `check_*` module.

use super::{Key, REQUIRED, Section, TEXT};

const fn key(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    doc: &'static str,
    schema: &'static str,
) -> Key {
    Key { name, kind, default, doc, schema }
}

const BOOLEAN: &str = r#"{"type":"boolean"}"#;
const TEXTS: &str = r#"{"type":"array","items":{"type":"string"},"minItems":1,"uniqueItems":true}"#;

/// The whole file.
pub const ROOT: Section = Section {
    name: "stack",
    path: "",
    doc: "The whole file.",
    keys: &[
        key("version", "`1`", REQUIRED, "The version of this format.", r#"{"const":1}"#),
        key(
            "name",
            "lower-case letters, digits and `-`, at most 32",
            REQUIRED,
            "The stack's name. Every resource's name begins with it, so changing it makes another stack. Stacks of one name in two regions are two stacks.",
            r#"{"type":"string","pattern":"^[a-z][a-z0-9-]*$","maxLength":32}"#,
        ),
        key(
            "region",
            "text",
            REQUIRED,
            "The AWS region, such as `eu-west-1`. `--region` overrides it. Names of IAM roles contain it.",
            TEXT,
        ),
        key(
            "dataTypes",
            "mapping of name to data type",
            REQUIRED,
            "What kinds of items people keep. Names have letters, digits and `_`; at most 100.",
            r##"{"type":"object","minProperties":1,"additionalProperties":{"$ref":"#/$defs/dataType"}}"##,
        ),
        key(
            "groups",
            "mapping of name to group",
            "none",
            "Groups that exist as soon as the stack does. People make others through the API.",
            r##"{"type":"object","additionalProperties":{"$ref":"#/$defs/group"}}"##,
        ),
        key(
            "groupDefaults",
            "mapping",
            "none: such a group shares every item of every type",
            "What a group that is created through the API receives at first, and the most that its owners can let it receive.",
            r##"{"$ref":"#/$defs/groupDefaults"}"##,
        ),
        key("identity", "mapping", "see there", "How people sign in.", r##"{"$ref":"#/$defs/identity"}"##),
        key("api", "mapping", "see there", "The HTTP API.", r##"{"$ref":"#/$defs/api"}"##),
        key("functions", "mapping", "see there", "The functions.", r##"{"$ref":"#/$defs/functions"}"##),
        key(
            "protection",
            "mapping",
            "see there",
            "What protects the data.",
            r##"{"$ref":"#/$defs/protection"}"##,
        ),
        key(
            "variables",
            "mapping of name to variable",
            "none",
            "Names that `${name}` may stand for, with their defaults. Each must be used.",
            r##"{"type":"object","additionalProperties":{"$ref":"#/$defs/declaredVariable"}}"##,
        ),
        key(
            "removed",
            "mapping",
            "nothing",
            "What was in this file and may now go, with the data in it.",
            r##"{"$ref":"#/$defs/removed"}"##,
        ),
        key(
            "tags",
            "mapping of text to text",
            "none",
            "Tags on every resource, in addition to Freehold's own, which begin with `freehold:`. At most 46.",
            r#"{"type":"object","maxProperties":46,"additionalProperties":{"type":["string","number","boolean"]}}"#,
        ),
    ],
};

/// A declared variable.
pub const VARIABLE: Section = Section {
    name: "declaredVariable",
    path: "variables.<name>",
    doc: "A value that is given from outside, with `--var name=value` or FREEHOLD_VAR_name.",
    keys: &[
        key(
            "default",
            "text, number or truth",
            "none: a value must be given",
            "Its value if none is given.",
            r#"{"type":["string","number","boolean"]}"#,
        ),
        key("description", "text", "none", "What it is for, for people.", TEXT),
    ],
};

/// A data type.
pub const DATA_TYPE: Section = Section {
    name: "dataType",
    path: "dataTypes.<name>",
    doc: "A kind of item: what fields it has and how long it is kept.",
    keys: &[
        key(
            "time",
            "name of a field",
            REQUIRED,
            "The required `datetime` field that items are ordered by.",
            TEXT,
        ),
        key(
            "fields",
            "mapping of name to field",
            REQUIRED,
            "What an item says. Names have letters, digits and `_`; at most 100.",
            r##"{"type":"object","minProperties":1,"additionalProperties":{"$ref":"#/$defs/field"}}"##,
        ),
        key(
            "retention",
            "`90d`, `12w`, `6m`, `3y` or `forever`",
            "`forever`",
            "How long an item is kept after its time. A year is 365.25 days and a month a twelfth of one, rounded up to days.",
            r#"{"type":"string","pattern":"^([1-9][0-9]*[dwmy]|forever)$"}"#,
        ),
    ],
};

/// A field of a data type.
pub const FIELD: Section = Section {
    name: "field",
    path: "dataTypes.<name>.fields.<name>",
    doc: "One field, and what is checked when an item is written.",
    keys: &[
        key(
            "type",
            "`string`, `integer`, `decimal`, `boolean`, `datetime`, `set` or `object`",
            REQUIRED,
            "Its type. `decimal` has four places, `set` is of texts, `object` is any JSON and cannot be used in conditions.",
            r#"{"enum":["string","integer","decimal","boolean","datetime","set","object"]}"#,
        ),
        key("required", "`true` or `false`", "`false`", "Whether every item has it.", BOOLEAN),
        key("unit", "text", "none", "The unit, for people.", TEXT),
        key("description", "text", "none", "What it means, for people.", TEXT),
        key("min", "number", "none", "The least value of an `integer` or `decimal`.", r#"{"type":"number"}"#),
        key(
            "max",
            "number",
            "none",
            "The greatest value of an `integer` or `decimal`.",
            r#"{"type":"number"}"#,
        ),
        key(
            "maxLength",
            "whole number, 1 to 65536",
            "4096",
            "The most characters of a `string`, or of each member of a `set`.",
            r#"{"type":"integer","minimum":1,"maximum":65536}"#,
        ),
        key(
            "oneOf",
            "list of texts",
            "any",
            "The only texts that a `string`, or each member of a `set`, may be.",
            TEXTS,
        ),
    ],
};

/// A declared group.
pub const GROUP: Section = Section {
    name: "group",
    path: "groups.<name>",
    doc: "A group that exists as soon as the stack does.",
    keys: &[
        key(
            "owner",
            "e-mail address",
            REQUIRED,
            "Who is invited as its first owner.",
            r#"{"type":"string","format":"email","maxLength":254}"#,
        ),
        key(
            "description",
            "text, 1 to 1000 characters",
            "none",
            "Its purpose. Members see it, and so does everybody who is invited before they answer. Plain text: line breaks are kept, other invisible characters are refused.",
            r#"{"type":"string","minLength":1,"maxLength":1000}"#,
        ),
        key(
            "rules",
            "list of rules",
            REQUIRED,
            "What it receives: an item is shared if any rule selects it.",
            RULES,
        ),
        key(
            "shards",
            "whole number, 1 to 64",
            "1",
            "Over how many partitions its copies of one type are spread: one takes 1,000 writes a second, and each costs readers a query. Changing it moves the copies.",
            r#"{"type":"integer","minimum":1,"maximum":64}"#,
        ),
        key(
            "renamedFrom",
            "name of a group that is no longer in the file",
            "none",
            "What it was called here before: its members and copies stay. May be left out once it was applied.",
            TEXT,
        ),
        key(
            "approved",
            "the code that `provision plan` prints",
            "none",
            "Approves one change of what the group receives that shares more than before. For another change it says nothing.",
            TEXT,
        ),
        key(
            "shouldShare",
            "list of items: `{ type: glucose, takenAt: 2026-01-01T08:00:00Z, mgdl: 192 }`",
            "none",
            "Items that the group should see, for `provision rules test`. Never deployed.",
            EXAMPLES,
        ),
        key(
            "shouldNotShare",
            "list of items, as in `shouldShare`",
            "none",
            "Items that the group should not see, for `provision rules test`. Never deployed.",
            EXAMPLES,
        ),
    ],
};

const EXAMPLES: &str = r#"{"type":"array","items":{"type":"object","required":["type"],"properties":{"type":{"type":"string"},"joined":{"type":"string"},"fields":{"type":"object"}}}}"#;
const RULES: &str = r##"{"type":"array","minItems":1,"items":{"$ref":"#/$defs/rule"}}"##;

/// One rule.
pub const RULE: Section = Section {
    name: "rule",
    path: "groups.<name>.rules[]",
    doc: "Which items a group receives, and what of them.",
    keys: &[
        key("types", "list of data types", REQUIRED, "The data types it is about.", TEXTS),
        key(
            "when",
            "Cedar expression over `resource`",
            "every item",
            "Which items it selects. Optional fields must be asked for first: `resource has device && …`. At most 4096 bytes.",
            TEXT,
        ),
        key(
            "fields",
            "list of fields",
            "every field",
            "The fields that consumers see. Each must be in every listed type.",
            TEXTS,
        ),
        key(
            "history",
            "`none`, `all`, `90d` (or `w`, `m`, `y`), or `since 2014-01-01` (or with a time and offset)",
            "`all`",
            "How far back a joining provider's past is copied at most.",
            r#"{"type":"string","pattern":"^(none|all|[1-9][0-9]*[dwmy]|since [0-9].*)$"}"#,
        ),
    ],
};

/// What groups of the API receive.
pub const GROUP_DEFAULTS: Section = Section {
    name: "groupDefaults",
    path: "groupDefaults",
    doc: "What a group that is created through the API receives at first, and the most that its owners can let it receive.",
    keys: &[key("rules", "list of rules", REQUIRED, "As in a declared group.", RULES)],
};

/// How people sign in.
pub const IDENTITY: Section = Section {
    name: "identity",
    path: "identity",
    doc: "How people sign in (Amazon Cognito).",
    keys: &[
        key(
            "oauth",
            "mapping",
            "see there",
            "Where the sign-in page may return to.",
            r##"{"$ref":"#/$defs/oauth"}"##,
        ),
        key(
            "passwordPolicy",
            "mapping",
            "see there",
            "What a password must have.",
            r##"{"$ref":"#/$defs/passwordPolicy"}"##,
        ),
        key(
            "mfa",
            "`off`, `optional` or `required`",
            "`optional`",
            "Whether people use a second factor (an authenticator app).",
            r#"{"enum":["off","optional","required"]}"#,
        ),
        key(
            "selfSignUp",
            "`true` or `false`",
            "`true`",
            "Whether people may sign up by themselves.",
            BOOLEAN,
        ),
        key(
            "domainPrefix",
            "lower-case letters, digits and `-`, at most 63",
            "made from the stack's name and the account",
            "The first part of the sign-in page's address. Unique in the region, over all AWS customers.",
            r#"{"type":"string","pattern":"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"}"#,
        ),
    ],
};

/// Where the sign-in page may return to.
pub const OAUTH: Section = Section {
    name: "oauth",
    path: "identity.oauth",
    doc: "Where the sign-in page may return to: `https`, or `http` to this machine (`localhost`, `127.0.0.1`, `[::1]`).",
    keys: &[
        key(
            "callbackUrls",
            "list of URLs",
            "`http://localhost:8765/callback`",
            "After signing in. At most 100.",
            TEXTS,
        ),
        key("logoutUrls", "list of URLs", "the callback URLs", "After signing out. At most 100.", TEXTS),
    ],
};

/// What a password must have.
pub const PASSWORD_POLICY: Section = Section {
    name: "passwordPolicy",
    path: "identity.passwordPolicy",
    doc: "What a password must have.",
    keys: &[
        key(
            "minimumLength",
            "whole number, 8 to 99",
            "12",
            "The least number of characters.",
            r#"{"type":"integer","minimum":8,"maximum":99}"#,
        ),
        key("requireLowercase", "`true` or `false`", "`true`", "A lower-case letter.", BOOLEAN),
        key("requireUppercase", "`true` or `false`", "`true`", "An upper-case letter.", BOOLEAN),
        key("requireNumbers", "`true` or `false`", "`true`", "A digit.", BOOLEAN),
        key("requireSymbols", "`true` or `false`", "`false`", "Something else.", BOOLEAN),
    ],
};

/// The HTTP API.
pub const API: Section = Section {
    name: "api",
    path: "api",
    doc: "The HTTP API (Amazon API Gateway).",
    keys: &[
        key(
            "cors",
            "mapping",
            "no web page may call it",
            "Which web pages may call it.",
            r##"{"$ref":"#/$defs/cors"}"##,
        ),
        key("throttling", "mapping", "see there", "How much it takes.", r##"{"$ref":"#/$defs/throttling"}"##),
    ],
};

/// Which web pages may call the API.
pub const CORS: Section = Section {
    name: "cors",
    path: "api.cors",
    doc: "Which web pages may call the API.",
    keys: &[key(
        "origins",
        "list of origins such as `https://app.example.org`, or `\"*\"` alone",
        "none",
        "Their origins: scheme, host and port, without a path.",
        r#"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#,
    )],
};

/// How much the API takes.
pub const THROTTLING: Section = Section {
    name: "throttling",
    path: "api.throttling",
    doc: "How much the API takes before it answers 429: from all callers together, and from each of them.",
    keys: &[
        key(
            "rateLimit",
            "whole number, 1 to 100000",
            "1000",
            "Requests a second.",
            r#"{"type":"integer","minimum":1,"maximum":100000}"#,
        ),
        key(
            "burstLimit",
            "whole number, 1 to 100000",
            "2000",
            "Requests at once.",
            r#"{"type":"integer","minimum":1,"maximum":100000}"#,
        ),
        key(
            "perPersonRateLimit",
            "whole number, 1 to 10000",
            "100",
            "Requests a second of one person that one process of the function answers; four seconds of it at once. No limit of what a person can do: every process counts for itself.",
            r#"{"type":"integer","minimum":1,"maximum":10000}"#,
        ),
    ],
};

/// The functions.
pub const FUNCTIONS: Section = Section {
    name: "functions",
    path: "functions",
    doc: "The functions (AWS Lambda) and their logs.",
    keys: &[
        key(
            "architecture",
            "`x86_64` or `arm64`",
            "`x86_64`",
            "Their processor. `arm64` is cheaper; it needs that Rust target to build.",
            r#"{"enum":["x86_64","arm64"]}"#,
        ),
        key(
            "memory",
            "whole number, 128 to 10240",
            "256",
            "Their memory in MB; the processor's share grows with it.",
            r#"{"type":"integer","minimum":128,"maximum":10240}"#,
        ),
        key(
            "jobWritesPerSecond",
            "whole number, 10 to 40000",
            "500",
            "How fast one data job (a backfill, a purge) may write, so that people are not slowed down.",
            r#"{"type":"integer","minimum":10,"maximum":40000}"#,
        ),
        key(
            "logRetentionDays",
            "one of CloudWatch's values",
            "30",
            "How many days their logs are kept.",
            r#"{"enum":[1,3,5,7,14,30,60,90,120,150,180,365,400,545,731,1096,1827,2192,2557,2922,3288,3653]}"#,
        ),
    ],
};

/// What protects the data.
pub const PROTECTION: Section = Section {
    name: "protection",
    path: "protection",
    doc: "What protects the data.",
    keys: &[
        key(
            "deletionProtection",
            "`true` or `false`",
            "`true`",
            "Whether tables and the user pool refuse to be deleted. `provision destroy` needs it off.",
            BOOLEAN,
        ),
        key(
            "pointInTimeRecovery",
            "`true` or `false`",
            "`true`",
            "Whether tables can be restored to any second of the last 35 days.",
            BOOLEAN,
        ),
        key(
            "encryption",
            "`aws-owned` or `customer-managed`",
            "`aws-owned`",
            "Whose key encrypts the tables; `customer-managed` is a key in your account, with its price and its log.",
            r#"{"enum":["aws-owned","customer-managed"]}"#,
        ),
    ],
};

/// What may go.
pub const REMOVED: Section = Section {
    name: "removed",
    path: "removed",
    doc: "What was in this file and may now go, with the data in it. What merely vanishes from the file is refused.",
    keys: &[
        key(
            "groups",
            "list of names",
            "none",
            "Groups that are deleted, with their memberships and copies.",
            TEXTS,
        ),
        key(
            "dataTypes",
            "list of names",
            "none",
            "Data types that are given up: nobody can read or write items of them any more.",
            TEXTS,
        ),
        key(
            "fields",
            "list of `TYPE.FIELD`",
            "none",
            "Fields that are given up, such as `glucose.note`. Items keep their values, which nobody can read or write any more; \
             if the field is declared again, they are there again.",
            TEXTS,
        ),
    ],
};

/// Every section, in the order of the reference.
pub const SECTIONS: &[&Section] = &[
    &ROOT,
    &VARIABLE,
    &DATA_TYPE,
    &FIELD,
    &GROUP,
    &RULE,
    &GROUP_DEFAULTS,
    &IDENTITY,
    &OAUTH,
    &PASSWORD_POLICY,
    &API,
    &CORS,
    &THROTTLING,
    &FUNCTIONS,
    &PROTECTION,
    &REMOVED,
];
