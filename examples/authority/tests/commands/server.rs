//! `--server`: what works on a ledger works at the server that has it, with the same output and the same exit codes.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
};

use nodelock::{ActivationRequestOptions, Reason};
use serde_json::{Value, json};

use crate::{
    program::{Authority, Finished, field, finish},
    schema,
    support::{
        requests::request,
        responder::{Responder, http},
        server::{Server, program},
        tls::Ca,
    },
};

const PASSWORD: &[u8] = b"correct horse battery\n";

/// An authority with a server, and whoever calls that.
struct Served {
    authority: Authority,
    _server: Server,
    address: SocketAddr,
    token: String,
    /// The commands that were done at the server, as the schema calls them.
    done: RefCell<BTreeSet<String>>,
}

/// Where a server's administration listens, as its log says.
fn administration(authority: &Authority) -> SocketAddr {
    let log = fs::read_to_string(authority.directory().join("log")).unwrap();
    let mut lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let listening = lines.find(|line| line["event"] == "admin-listening").unwrap();
    field(&listening, "address").parse().unwrap()
}

/// The program at a server, with a token.
fn at(url: &str, token: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).args(["--server", url]).env("NODELOCK_TOKEN", token);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command, input: &[u8]) -> Finished {
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    finish(child)
}

impl Served {
    /// One whose caller is an owner who signed in.
    fn new() -> Self {
        let authority = Authority::new();
        let made = authority.done_with(&["account", "new", "jane", "--role", "owner"], PASSWORD);
        let options = ["--admin-listen", "127.0.0.1:0"].map(str::to_owned);
        let server = authority.serve(&options);
        let address = administration(&authority);
        let code = &made["recovery_codes"][0];
        let signing_in = json!({ "account": "jane", "password": "correct horse battery", "code": code });
        let headers = [("Content-Type", "application/json")];
        let body = signing_in.to_string();
        let session = request(address, "POST", "/v1/admin/sessions", &headers, body.as_bytes()).json();
        let token = field(&session, "token").to_owned();
        Self { authority, _server: server, address, token, done: RefCell::default() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn there(&self, arguments: &[&str], input: &[u8]) -> Finished {
        self.done.borrow_mut().insert(schema::name(arguments));
        run(at(&self.url(), &self.token, arguments), input)
    }

    fn here(&self, arguments: &[&str], input: &[u8]) -> Finished {
        run(self.authority.command(arguments), input)
    }

    /// The same command both ways, in words and in JSON, says the same to the letter.
    fn same(&self, arguments: &[&str]) {
        for json in [&[][..], &["--json"]] {
            let arguments = [arguments, json].concat();
            let (here, there) = (self.here(&arguments, b""), self.there(&arguments, b""));
            assert_eq!(
                (there.code, &there.stdout, &there.stderr),
                (here.code, &here.stdout, &here.stderr),
                "{arguments:?}"
            );
        }
    }

    /// Two things of one kind, of which one has something done to it here and the other one there. Returns what the
    /// server's program printed.
    fn alike(&self, arguments: impl Fn(usize) -> Vec<String>, input: &[u8]) -> Value {
        let typed = [arguments(0), arguments(1)];
        let typed = typed.map(|mut arguments| {
            arguments.push("--json".into());
            arguments
        });
        let [of_here, of_there] =
            typed.each_ref().map(|of| of.iter().map(String::as_str).collect::<Vec<_>>());
        let (here, there) = (self.here(&of_here, input), self.there(&of_there, input));
        let masked = |finished: &Finished| (finished.code, mask(&finished.json()));
        assert_eq!(masked(&there), masked(&here), "{of_there:?}: {} {}", there.stdout, here.stdout);
        let value = there.json();
        match there.code {
            0 => schema::check(&of_there, &value),
            _ => schema::check_refused(&value),
        }
        value
    }
}

/// A value without what no two things have in common: ids, keys, times, signed messages.
fn mask(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains("BEGIN NODELOCK") => "message".into(),
        Value::String(text) => masked(text).into(),
        // A second of the epoch.
        Value::Number(number) if number.as_u64().is_some_and(|second| second > 1_000_000_000) => "#".into(),
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(mask).collect();
            // What was made within one second is in the order of what is random.
            values.sort_by_key(Value::to_string);
            values.into()
        }
        Value::Object(members) => {
            const OWN: [&str; 13] = [
                "account",
                "actor",
                "customer",
                "device",
                "handle",
                "id",
                "key",
                "key_hint",
                "link",
                "message",
                "recovery_codes",
                "secret",
                "token",
            ];
            let hides = |name: &str, value: &Value| {
                let is_refusal = name == "message" && members.contains_key("error");
                !value.is_null() && OWN.contains(&name) && !is_refusal
            };
            let member = |(name, value): (&String, &Value)| {
                let value = if hides(name, value) { "its own".into() } else { mask(value) };
                (name.clone(), value)
            };
            members.iter().map(member).collect()
        }
        other => other.clone(),
    }
}

/// Text without words that have a digit and are no number.
fn masked(text: &str) -> String {
    let is_own = |word: &str| {
        word.parse::<u32>().is_err() && word.bytes().any(|byte| byte.is_ascii_digit())
            || word.starts_with("..")
    };
    text.split(' ').map(|word| if is_own(word) { "#" } else { word }).collect::<Vec<_>>().join(" ")
}

/// The commands that are done on the ledger's machine alone, each with arguments that it takes.
const LOCAL: [&[&str]; 16] = [
    &["activate", "-"],
    &["backup", "copy"],
    &["certificate", "new"],
    &["certificate", "show"],
    &["check-in", "-"],
    &["event", "kinds"],
    &["init", "--product", "Other"],
    &["mail", "sample", "seat.released"],
    &["product", "new", "--name", "Other"],
    &["prune"],
    &["redeem", "-"],
    &["redeem-all", "-", "--out", "receipts"],
    &["restore", "copy"],
    &["serve"],
    &["verify"],
    &["vouch"],
];

/// The arguments with the id of one of two things in the place of `{}`.
fn of<'a>(ids: &'a [String; 2], arguments: &'a [&'a str]) -> impl Fn(usize) -> Vec<String> + 'a {
    |which| arguments.iter().map(|argument| argument.replace("{}", &ids[which])).collect()
}

#[test]
fn every_command_does_at_a_server_what_it_does_in_the_ledger_or_says_why_it_does_not() {
    let served = Served::new();
    let authority = &served.authority;

    // Licenses, two of each.
    let sale = ["license", "new", "--licensee", "Jane Doe", "--seats", "2", "--deactivations", "1"];
    let more = ["--expires", "2090-01-01", "--metadata", "room=4", "--order", "{}"];
    let orders = ["o-1", "o-2"].map(str::to_owned);
    let sold = served.alike(of(&orders, &[&sale[..], &more].concat()), b"");
    let key_there = field(&sold, "key").to_owned();
    let again = served.alike(of(&orders, &[&sale[..], &more].concat()), b"");
    assert_eq!(field(&again, "error"), "sold-already");
    let here = authority.done(&["license", "list", "--filter", "order:o-1"]);
    let ids = [field(&here["licenses"][0], "id").to_owned(), field(&sold, "license").to_owned()];
    let key_here = field(&authority.done(&["license", "show-key", &ids[0]]), "key").to_owned();
    for arguments in [
        &["license", "edit", "{}", "--seats", "3", "--edition", "Pro", "--dry-run"][..],
        &["license", "edit", "{}", "--seats", "3", "--feature", "export=5@2089-01-01"],
        &["license", "edit", "{}", "--seats", "4", "--if-version", "1"],
        &["license", "edit", "{}", "--margin-days", "1"],
        &["license", "extend", "{}", "--days", "30", "--dry-run"],
        &["license", "extend", "{}", "--until", "2091-01-01"],
        &["license", "extend", "{}", "--until", "2080-01-01"],
        &["license", "suspend", "{}", "--dry-run"],
        &["license", "suspend", "{}"],
        &["license", "suspend", "{}"],
        &["license", "resume", "{}", "--dry-run"],
        &["license", "void", "{}"],
        &["license", "void", "{}", "--reason", "refunded", "--dry-run"],
        &["license", "deactivate", "{}", "--dry-run"],
        &["license", "resume", "{}"],
        &["license", "reset", "{}", "activations", "--extra", "2", "--reason", "asked for it"],
        &["license", "reset", "{}", "deactivations", "--reason", "asked for it"],
        &["license", "add-key", "{}"],
        &["license", "show-key", "{}"],
        &["license", "show-key", "{}", "--hint", "nobodys"],
        &["license", "add-key", "{}", "--key", "A key of {}"],
        &["license", "add-key", "{}", "--key", "A key of {}"],
        &["license", "rekey", "{}", "--hint", "{}"],
        &["license", "rekey", "{}"],
        &["license", "show-key", "{}"],
        &["license", "deactivate", "{}", "--reason", "moved", "--yes"],
        &["license", "show", "{}"],
    ] {
        served.alike(of(&ids, arguments), b"");
    }
    let rekeyed = served.alike(of(&ids, &["license", "add-key", "{}"]), b"");
    let hint = field(&rekeyed, "key").rsplit('-').next().unwrap().to_owned();
    let revoked = served.there(&["license", "revoke-key", &ids[1], "--hint", &hint, "--json"], b"");
    assert_eq!((revoked.code, field(&revoked.json(), "key_hint")), (0, &*hint));

    // Seats, one of each.
    let keys = ids.each_ref().map(|id| field(&authority.done(&["license", "add-key", id]), "key").to_owned());
    assert!(!keys.contains(&key_here) && !keys.contains(&key_there));
    let devices =
        [authority.activated("computer-here", &keys[0]), authority.activated("computer-there", &keys[1])];
    let handles = devices.each_ref().map(|device| {
        let status = device.check().unwrap();
        status.license().unwrap().handle.to_string()
    });
    for arguments in [
        &["renew", "{}"][..],
        &["return", "{}"],
        &["extend-trial", "{}", "--days", "3"],
        &["release", "{}", "--reason", "lost"],
        &["release", "{}", "--reason", "lost", "--yes"],
        &["unrelease", "{}"],
        &["renew", "{}", "--device", "no key"],
    ] {
        // What a computer is called is in the question, and different.
        let said =
            served.there(&of(&handles, arguments)(1).iter().map(String::as_str).collect::<Vec<_>>(), b"");
        assert_eq!(said.stdout.contains("BEGIN NODELOCK"), said.code == 0, "{arguments:?} {}", said.stderr);
        let here =
            served.here(&of(&handles, arguments)(0).iter().map(String::as_str).collect::<Vec<_>>(), b"");
        let words = |text: &str| {
            masked(&text.replace("computer-here", "computer-there").replace(&handles[0], &handles[1]))
        };
        assert_eq!((said.code, words(&said.stderr)), (here.code, words(&here.stderr)), "{arguments:?}");
    }
    let foreseen = served.alike(of(&ids, &["license", "void", "{}", "--dry-run"]), b"");
    assert_eq!((&foreseen["changed"], &foreseen["seats"]["taken"]), (&false.into(), &1.into()));
    let foreseen = served.alike(of(&orders, &["order", "void", "{}", "--dry-run"]), b"");
    assert_eq!((&foreseen["voided"], &foreseen["taken"]), (&1.into(), &1.into()));
    for id in &ids {
        assert_eq!(authority.done(&["license", "show", id])["voided"], Value::Null);
        let foreseen = authority.done(&["license", "deactivate", id, "--dry-run"]);
        assert_eq!((&foreseen["released"], &foreseen["seats"][0]["outcome"]), (&0.into(), &"revoked".into()));
    }
    // The only deactivation is used by another computer of each license, so these are held.
    let others = [authority.activated("other-here", &keys[0]), authority.activated("other-there", &keys[1])];
    for device in others.iter().chain(&devices) {
        let given_up = device.deactivate_offline(Reason::Moved).unwrap();
        authority.done(&["redeem", &given_up.to_base64url()]);
    }
    served.alike(of(&handles, &["return", "{}"]), b"");

    // Customers, products, what holds for all of them.
    let made = served.alike(
        of(
            &orders,
            &["customer", "new", "--name", "Jane", "--email", "j@example.com", "--external-id", "c-{}"],
        ),
        b"",
    );
    let here = authority.done(&["customer", "show", "--external-id", "c-o-1"]);
    let customers = [field(&here, "id").to_owned(), field(&made, "id").to_owned()];
    for arguments in [
        &["customer", "edit", "{}", "--notes", "calls on Mondays"][..],
        &["customer", "edit", "{}", "--name", "Jo", "--if-version", "1"],
        &["license", "list", "--customer", "{}"],
    ] {
        served.alike(of(&customers, arguments), b"");
    }
    served.alike(of(&orders, &["order", "show", "{}"]), b"");
    for (which, customer) in customers.iter().enumerate() {
        authority.done(&["license", "edit", &ids[which], "--customer", customer]);
    }
    let given = served.there(&["license", "edit", &ids[0], "--customer", &customers[1], "--json"], b"");
    assert_eq!(given.json()["changes"], json!([format!("customer -> {}", customers[1])]));
    assert_eq!(served.there(&["product", "edit", "--lease-days", "20"], b"").code, 0);
    served.same(&["product", "edit", "--unset", "nothing"]);
    assert_eq!(served.there(&["policy", "edit", "--margin-days", "20"], b"").code, 0);

    // Everything that only looks, and every refusal, is the same to the letter.
    let lists: [&[&str]; 24] = [
        &["license", "list"],
        &["license", "list", "--filter", "state:active licensee~\"Ja\""],
        &["license", "list", "--filter", "state:gone"],
        &["license", "show", &ids[1]],
        &["license", "show", "0000000000000001"],
        &["license", "find", "--hint", &hint.to_lowercase()],
        &["license", "find", "--hint", "nobodys"],
        &["list"],
        &["list", "--license", &ids[1], "--filter", "state:returned"],
        &["order", "list"],
        &["order", "show", "o-2", "--product", "example"],
        &["order", "show", "nobody's"],
        &["customer", "list"],
        &["customer", "list", "--email", "j@example.com"],
        &["customer", "show", &customers[1]],
        &["customer", "show", "--external-id", "c-o-2"],
        &["customer", "show", "--external-id", "nobody's"],
        &["customer", "erase", &customers[1]],
        &["product", "list"],
        &["product", "show"],
        &["product", "show", "nobodys"],
        &["policy", "show"],
        &["refusal", "list"],
        &["account", "list"],
    ];
    lists.into_iter().for_each(|arguments| served.same(arguments));
    for arguments in [
        &["event", "list", "--limit", "7"][..],
        &["event", "list", "--license", &ids[1]],
        &["audit", "list", "--limit", "9"],
        &["audit", "list", "--limit", "100000"],
        &["license", "void", &ids[1]],
        &["order", "void", "o-2"],
        &["token", "revoke", "nobodys"],
        &["webhook", "test", "nobodys"],
        &["webhook", "secret", "nobodys"],
        &["webhook", "replay", "nobodys", "--aside"],
        &["webhook", "deliveries", "nobodys"],
        &["webhook", "remove", "nobodys"],
        &["webhook", "add", "ftp://example.com"],
        &["account", "disable", "nobody"],
        &["policy", "edit", "--margin-days", "21", "--if-version", "1"],
        &["policy", "retention"],
        &["policy", "retention", "--refusal-days", "30"],
        &["policy", "retention", "--refusal-days", "0"],
    ] {
        served.same(arguments);
    }

    // What waits for approval.
    let asking = ["1", "2"].map(|name| {
        let (_, key) = authority.sell("1", &["--approval", "required"]);
        let asked = ActivationRequestOptions::of_key(&key).metadata("host", "desk");
        let pending = authority.device(name).begin(asked).unwrap();
        assert_eq!(authority.refused(&["activate", "-"], &pending.to_bytes()), "approval-wanted");
        pending.request().handle.to_string()
    });
    for arguments in [
        &["request", "show", "{}"][..],
        &["request", "approve", "{}"],
        &["request", "refuse", "{}", "--reason", "ask in the lab"],
    ] {
        served.alike(of(&asking, arguments), b"");
    }
    let listed: [&[&str]; 3] = [
        &["request", "list"],
        &["request", "list", "--license", &ids[1]],
        &["request", "list", "--license", "0123456789abcdef"],
    ];
    listed.into_iter().for_each(|arguments| served.same(arguments));

    // Mails.
    let send = |which: usize| {
        let hint = keys[which].rsplit('-').next().unwrap();
        ["license", "send-key", &ids[which], "--hint", hint].map(str::to_owned).to_vec()
    };
    assert_eq!(field(&served.alike(send, b""), "error"), "not-mailed");
    let said = ["mail", "policy", "--from", "Example <sales@example.com>", "--event", "seat.released"];
    assert_eq!(served.there(&said, b"").code, 0);
    served.alike(send, b"");
    served.alike(of(&ids, &["license", "send-key", "{}"]), b"");
    served.alike(of(&customers, &["license", "new", "--customer", "{}", "--mail"]), b"");
    served.alike(of(&ids, &["mail", "replay", "--since", "2020-01-01"]), b"");
    let listed: [&[&str]; 4] = [
        &["mail", "policy"],
        &["mail", "policy", "--unset", "from"],
        &["mail", "list", "--limit", "3"],
        &["mail", "list", "--aside"],
    ];
    listed.into_iter().for_each(|arguments| served.same(arguments));

    // People, programs, machines, webhooks.
    let names = ["user-1", "user-2"].map(str::to_owned);
    served.alike(of(&names, &["account", "new", "{}", "--role", "support"]), PASSWORD);
    served.alike(of(&names, &["account", "new", "{}", "--role", "support"]), PASSWORD);
    served.alike(of(&names, &["account", "password", "{}"]), PASSWORD);
    for act in ["disable", "enable", "totp"] {
        let done = served.there(&["account", act, "user-2", "--json"], b"");
        assert_eq!(done.code, 0, "{act}: {}", done.stdout);
    }
    for quota in [
        &["account", "quota", "{}", "extend", "--most", "50"][..],
        &["account", "quota", "{}", "extend"],
        &["account", "quota", "{}", "sell"],
        &["account", "quota", "{}", "extend", "--most", "1001"],
    ] {
        served.alike(of(&names, quota), b"");
    }
    let role = served.there(&["account", "role", "user-2", "auditor", "--json"], b"");
    assert_eq!(role.json(), json!({ "account": "user-2", "changed": true }));
    let new_token = ["token", "new", "--name", "shop", "--scope", "licenses:read", "--scope", "reports:read"];
    let token = served.alike(of(&names, &new_token), b"");
    let new_key = ["deployment-key", "new", "--name", "CI", "--license", "{}", "--limit", "3"];
    let key = served.alike(of(&ids, &new_key), b"");
    let webhook =
        served.alike(of(&names, &["webhook", "add", "https://{}.example.com", "--event", "seat.*"]), b"");
    let listed: [&[&str]; 4] =
        [&["token", "list"], &["deployment-key", "list"], &["webhook", "list"], &["account", "list"]];
    listed.into_iter().for_each(|arguments| served.same(arguments));
    for arguments in [
        &["token", "revoke", field(&token, "id")][..],
        &["deployment-key", "revoke", field(&key, "id")],
        &["webhook", "secret", field(&webhook, "id")],
        &["webhook", "replay", field(&webhook, "id"), "--since", "2020-01-01"],
        &["webhook", "remove", field(&webhook, "id")],
        &["customer", "erase", &customers[1], "--yes"],
        &["license", "void", &ids[1], "--yes", "--reason", "refunded"],
        &["order", "void", "o-2", "--yes"],
    ] {
        let done = served.there(&[arguments, &["--json"]].concat(), b"");
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stdout);
        schema::check(arguments, &done.json());
    }
    let verified = served.there(&["audit", "verify", "--json"], b"").json();
    schema::check(&["audit", "verify"], &verified);
    let kept = verified["newest"]["digest"].as_str().unwrap();
    assert_eq!(served.there(&["audit", "verify", "--digest", kept], b"").code, 0);
    let forged = served.there(&["audit", "verify", "--digest", &"ab".repeat(32), "--json"], b"");
    assert_eq!((forged.code, field(&forged.json(), "error")), (1, "corrupt"));

    // There is no command that is neither.
    let mut done = served.done.take();
    for arguments in LOCAL {
        let refused = run(at(&served.url(), &served.token, &[arguments, &["--json"]].concat()), b"");
        let said = refused.json();
        assert_eq!((refused.code, field(&said, "error")), (2, "usage"), "{arguments:?}");
        assert!(field(&said, "message").contains("is not done with --server: "), "{said}");
        done.insert(schema::name(arguments));
    }
    assert_eq!(done, schema::all_commands().into_iter().collect());
    authority.done(&["verify"]);
}

#[test]
fn a_token_works_at_a_server_with_its_own_rights_and_never_as_an_argument() {
    let authority = Authority::new();
    let (license, _) = authority.sell("1", &[]);
    let made = authority.done(&["token", "new", "--name", "report", "--scope", "licenses:read"]);
    let server = authority.serve(&["--admin-listen", "127.0.0.1:0"].map(str::to_owned));
    let url = format!("http://{}", administration(&authority));
    let token = field(&made, "token");
    assert_eq!(run(at(&url, token, &["license", "list"]), b"").code, 0);
    let refused = run(at(&url, token, &["license", "suspend", &license, "--json"]), b"");
    assert_eq!((refused.code, field(&refused.json(), "error")), (1, "forbidden"));
    let audit = authority.audit();
    let line = audit.iter().find(|line| line["action"] == "refused").unwrap_or_else(|| panic!("{audit:?}"));
    assert_eq!(line["actor"], format!("token:{}", field(&made, "id")));
    let wrong = run(at(&url, "nlt_nobodys", &["license", "list", "--json"]), b"");
    assert_eq!((wrong.code, field(&wrong.json(), "error")), (1, "unauthenticated"));
    for (token, arguments) in [
        ("", &["license", "list"][..]),
        ("two words", &["license", "list"]),
        (token, &["license", "list", "--token", "x"]),
    ] {
        assert_eq!(run(at(&url, token, arguments), b"").code, 2, "{arguments:?}");
    }
    // A file that others may read is refused, for they may use what is in it.
    let file = authority.path("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let by_file = ["license", "list", "--json", "--token-file", file.to_str().unwrap()];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let refused = run(at(&url, "", &by_file), b"");
        assert_eq!((refused.code, field(&refused.json(), "error")), (1, "access-denied"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(run(at(&url, "", &by_file), b"").json()["licenses"][0]["id"], license.as_str());
    drop(server);
    let nobody = run(at(&url, token, &["license", "list", "--json"]), b"");
    assert_eq!((nobody.code, field(&nobody.json(), "error")), (1, "unreachable"));
}

#[cfg(unix)]
#[test]
fn the_example_of_the_operating_guide_runs_as_it_stands_there() {
    let guide = include_str!("../../../../docs/OPERATING.md");
    let section = guide.split("### From afar").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    authority.activated("laptop", &key);
    let _server = authority.serve(&["--admin-listen", "127.0.0.1:0"].map(str::to_owned));
    let url = format!("http://{}", administration(&authority));
    let handle = field(&authority.seats()[0], "handle").to_owned();
    let shell = |script: &str, token: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("NODELOCK_TOKEN", token).env("AUTHORITY_DIR", authority.directory());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().unwrap())
    };
    let mut token = String::new();
    for line in block.lines().filter(|line| line.starts_with("authority ")) {
        let line = line.replacen("authority", program().to_str().unwrap(), 1).replace("HANDLE", &handle);
        let line = line.replace("https://licensing.example:8422", &url);
        let said = shell(&line, &token);
        if line.contains(" release ") {
            // Nobody can be asked here.
            assert_eq!(said.code, 2, "{line}: {}", said.stderr);
            assert_eq!(shell(&(line + " --yes"), &token).code, 0);
            continue;
        }
        assert_eq!(said.code, 0, "{line}: {}", said.stderr);
        if line.contains(" token new ") {
            said.stdout.split_whitespace().last().unwrap().clone_into(&mut token);
        }
    }
    assert_eq!(authority.taken(), 0);
}

#[test]
fn a_token_goes_over_tls_or_stays_on_this_machine() {
    for url in ["http://example.com", "http://10.0.0.7:8422", "http://localhost.example.com"] {
        let refused = run(at(url, "nlt_x", &["license", "list", "--json"]), b"");
        assert_eq!((refused.code, field(&refused.json(), "error")), (2, "usage"), "{url}");
        assert!(field(&refused.json(), "message").contains("without TLS"), "{url}");
    }
    let ca = Ca::new();
    let files = ca.issue_over_another("server", &["localhost", "127.0.0.1"]);
    let authority = Authority::new();
    let (license, _) = authority.sell("1", &[]);
    let made = authority.done(&["token", "new", "--name", "report", "--scope", "licenses:read"]);
    let options = [&files.options()[..], &["--admin-listen".to_owned(), "127.0.0.1:0".to_owned()]].concat();
    let _server = authority.serve(&options);
    let port = administration(&authority).port();
    let root = authority.path("root.pem");
    fs::write(&root, ca.pem()).unwrap();
    let trusted = ["license", "list", "--json", "--ca", root.to_str().unwrap()];
    for host in ["localhost", "127.0.0.1"] {
        let listed = run(at(&format!("https://{host}:{port}"), field(&made, "token"), &trusted), b"");
        assert_eq!(listed.json()["licenses"][0]["id"], license.as_str(), "{}", listed.stdout);
    }
    let unknown = &trusted[..3];
    let refused = run(at(&format!("https://localhost:{port}"), field(&made, "token"), unknown), b"");
    assert_eq!((refused.code, field(&refused.json(), "error")), (1, "unreachable"));
}

#[test]
fn a_sale_whose_answer_is_lost_is_asked_for_again_and_sells_once() {
    let served = Served::new();
    let address = served.address;
    let lossy = Responder::saying(Vec::new());
    let sell = ["license", "new", "--licensee", "Jane Doe", "--seats", "1", "--json"];
    // How many answers get lost: one, or all of them.
    for (lost, code) in [(1, 0), (usize::MAX, 1)] {
        let before = served.authority.done(&["license", "list"])["licenses"].as_array().unwrap().len();
        let passed = std::sync::atomic::AtomicUsize::new(0);
        lossy.answer(move |received, stream| {
            let header = |name: &str| {
                let line = received.sent_head.lines().find(|line| line.to_lowercase().starts_with(name));
                line.map(|line| line[name.len()..].trim().to_owned()).unwrap_or_default()
            };
            let (token, key) = (header("authorization:"), header("idempotency-key:"));
            let headers =
                [("Authorization", &*token), ("Idempotency-Key", &key), ("Content-Type", "application/json")];
            let answer = request(address, "POST", &received.path, &headers, &received.body);
            if passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= lost {
                let _ = stream.write_all(&http("200 OK", "", answer.body));
            }
        });
        let sold = run(at(&lossy.url(), &served.token, &sell), b"");
        assert_eq!(sold.code, code, "{}", sold.stdout);
        assert_eq!(lossy.take_received().len(), 2);
        let licenses = served.authority.done(&["license", "list"])["licenses"].clone();
        assert_eq!(licenses.as_array().unwrap().len(), before + 1);
        match code {
            0 => assert_eq!(licenses[before]["id"], sold.json()["license"]),
            _ => assert!(field(&sold.json(), "message").contains("it may have been done"), "{}", sold.stdout),
        }
    }
    let keys = served.authority.path("keys.txt");
    let in_file =
        ["license", "new", "--licensee", "Jo", "--count", "2", "--keys-out", keys.to_str().unwrap()];
    assert_eq!(served.there(&in_file, b"").code, 0);
    assert_eq!(fs::read_to_string(&keys).unwrap().lines().count(), 2);
    // Nothing is written over, and nothing is sold whose key has no place.
    assert_eq!(served.there(&in_file, b"").code, 1);
    assert_eq!(served.authority.done(&["license", "list"])["licenses"].as_array().unwrap().len(), 4);
}

#[test]
fn what_a_server_says_that_is_none_is_refused_and_never_reaches_the_terminal_raw() {
    let problem = |kind: &str, detail: &str| {
        let body = json!({ "type": kind, "title": "No", "status": 409, "detail": detail }).to_string();
        let answer = String::from_utf8(http("409 Conflict", "", body)).unwrap();
        answer.replace("application/json", "application/problem+json").into_bytes()
    };
    let page =
        |rows: Value, next: &str| http("200 OK", "", json!({ "licenses": rows, "next": next }).to_string());
    let long = http("200 OK", "", vec![b' '; 16 * 1024 * 1024 + 1]);
    let cases = [
        (b"not HTTP at all\r\n\r\n".to_vec(), 1, "unreachable"),
        (Vec::new(), 1, "unreachable"),
        (http("302 Found", "Location: http://169.254.169.254/\r\n", ""), 1, "redirect"),
        (http("502 Bad Gateway", "", "<html>"), 1, "unreadable-answer"),
        (http("200 OK", "", "{\"licenses\":7}"), 1, "unreadable-answer"),
        (http("200 OK", "", "[".repeat(100_000)), 1, "unreadable-answer"),
        (page(json!([{ "id": "x" }]), ""), 1, "unreadable-answer"),
        (long, 1, "unreadable-answer"),
        (http("200 OK", &format!("X: {}\r\n", "y".repeat(1 << 20)), "{}"), 1, "unreachable"),
        (problem("urn:nodelock:problem:void", "\u{1b}]0;owned\u{7}\r\nerror: none"), 1, "void"),
        (problem("urn:nodelock:problem:\u{1b}[2J", "gone"), 1, "unreadable-answer"),
        (problem("urn:nodelock:problem:malformed", "what is wrong"), 2, "usage"),
        // A list that begins again and again has an end.
        (page(json!([]), "again"), 0, ""),
    ];
    let hostile = Responder::saying(Vec::new());
    for (answer, code, error) in cases {
        let begins = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        hostile.answer(move |_, stream| {
            let _ = stream.write_all(&answer);
        });
        let said = run(at(&hostile.url(), "nlt_x", &["license", "list"]), b"");
        assert_eq!(said.code, code, "{begins}: {} {}", said.stdout, said.stderr);
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
        let said = run(at(&hostile.url(), "nlt_x", &["license", "list", "--json"]), b"");
        assert_eq!(said.json()["error"].as_str().unwrap_or_default(), error, "{begins}: {}", said.stdout);
    }
    for received in hostile.take_received() {
        assert!(received.head.contains("authorization: bearer nlt_x") && !received.path.contains("nlt_x"));
    }
    // A row of a hostile server is text.
    let row = json!({
        "id": "\u{1b}[31m", "name": "a\u{1b}[2Jb\nc", "email": "", "external_id": "", "notes": "",
        "language": "", "created": "", "revision": 1, "erased": null,
    });
    let body = json!({ "customers": [row], "next": null }).to_string();
    hostile.answer(move |_, stream| {
        let _ = stream.write_all(&http("200 OK", "", &body));
    });
    let listed = run(at(&hostile.url(), "nlt_x", &["customer", "list"]), b"");
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 1), "{:?}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'));
}
