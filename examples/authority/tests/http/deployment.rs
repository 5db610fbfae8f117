//! Machines that nobody sits at enroll with a deployment key: runners and containers of one image, each with the
//! client's program (docs/guides/ci.md).

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
    thread,
    time::Duration,
};

use nodelock::{
    ActivationRequestOptions, Client, Clock as _, ErrorKind, Roots, Store, SystemClock, Timestamp,
};
use serde_json::Value;

use super::copies::copy_folder;
use crate::support::{
    calls::http,
    server::{Authority, PRODUCT, client_program},
    vendor::machine,
};

/// What the program said, with `--json`, and its exit code.
struct Said {
    code: i32,
    json: Value,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let json =
            serde_json::from_slice(said).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(said)));
        Self { code: output.status.code().unwrap(), json }
    }
}

impl Said {
    #[track_caller]
    fn usable(self) -> String {
        assert_eq!((self.code, &self.json["usable"]), (0, &Value::Bool(true)), "{}", self.json);
        self.json["license"]["seat"].as_str().unwrap().to_owned()
    }

    /// Refused in that way, with a message that says so and a way out.
    #[track_caller]
    fn refused(self, error: &str, message: &str) {
        assert_eq!((self.code, &self.json["error"]), (1, &Value::from(error)), "{}", self.json);
        let text = |name: &str| self.json[name].as_str().unwrap().to_owned();
        assert!(text("message").contains(message), "{}", self.json);
        assert!(!text("hint").is_empty());
        assert!(!self.json.to_string().contains("nld_"), "{}", self.json);
    }
}

/// An image: a folder that each container starts with a copy of.
struct Image {
    authority: Arc<Authority>,
    name: &'static str,
}

impl Image {
    fn folder(&self) -> PathBuf {
        self.authority.path(self.name)
    }

    /// Runs a command as the image is built, without a network.
    fn build(&self, arguments: &[&str]) -> Output {
        let nowhere = ["--authority", "http://127.0.0.1:1"];
        program(&self.authority, self.folder().join("store"), &[arguments, &nowhere].concat())
    }

    fn start(&self, container: &str, key: &str, arguments: &[&str]) -> Said {
        let folder = self.authority.path(container);
        if !folder.exists() {
            copy_folder(&self.folder(), &folder);
        }
        // As a volume brings a secret: with a line's end behind it.
        let secret = self.authority.path(&format!("{container}.key"));
        fs::write(&secret, format!("{key}\n")).unwrap();
        let at = format!("http://{}", self.authority.address);
        let more = ["--deployment-key-file", secret.to_str().unwrap(), "--authority", &at];
        program(&self.authority, folder.join("store"), &[arguments, &more].concat()).into()
    }
}

fn program(authority: &Authority, store: PathBuf, arguments: &[&str]) -> Output {
    let mut command = Command::new(client_program());
    command.args(arguments).arg("--json").arg(format!("--root={}", authority.root)).arg("--store").arg(store);
    command.env("NODELOCK_PRODUCT", PRODUCT).env("NO_PROXY", "*").output().unwrap()
}

/// A deployment key for the license of that id: its id and its text.
fn new_key(authority: &Authority, license: &str, limit: &str, more: &[&str]) -> (String, String) {
    let new = ["deployment-key", "new", "--name", "CI", "--license", license, "--limit", limit];
    let made = authority.vendor(&[&new[..], more].concat());
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("deployment_key"))
}

/// How many uses are counted of a key.
fn used(authority: &Authority, id: &str) -> u64 {
    let listed = authority.vendor(&["deployment-key", "list"]);
    let keys = listed["deployment_keys"].as_array().unwrap();
    keys.iter().find(|key| key["id"] == id).unwrap()["used"].as_u64().unwrap()
}

/// Sells a license whose seats the machines of this test do not take from each other: they have one hardware. Returns
/// its id.
fn sell(authority: &Authority, seats: &str) -> String {
    let new = ["license", "new", "--licensee", "Jane Doe", "--reinstalls", "0", "--seats", seats];
    authority.vendor(&new)["license"].as_str().unwrap().to_owned()
}

#[test]
fn containers_of_one_image_enroll_with_a_deployment_key_until_it_is_used_up_ends_or_is_revoked() {
    let authority = Authority::new();
    let license = sell(&authority, "9");
    let end = Timestamp::from_unix_seconds(SystemClock.now().unix_seconds() + 20);
    let (_, ending) = new_key(&authority, &license, "9", &["--expires", &end.to_string()]);
    let (id, key) = new_key(&authority, &license, "3", &[]);
    let image = Image { authority: authority.clone(), name: "image" };
    fs::create_dir(image.folder()).unwrap();

    let seats: Vec<String> =
        ["one", "two", "three"].map(|name| image.start(name, &key, &["activate"]).usable()).into();
    assert_eq!(used(&authority, &id), 3);
    assert_eq!(authority.count_taken(), 3);
    // A container that starts again, and one whose job is run twice, take no further one.
    assert_eq!(image.start("one", &key, &["start"]).usable(), seats[0]);
    image.start("one", &key, &["check-in"]).usable();
    assert_eq!(used(&authority, &id), 3);

    image.start("four", &key, &["activate"]).refused("deployment-key-used-up", "3 machines");
    // The request is kept: with another key it gets its license, also at a start.
    let (other_id, other) = new_key(&authority, &license, "3", &[]);
    let fourth = image.start("four", &other, &["start"]).usable();
    assert_eq!((used(&authority, &other_id), authority.count_taken()), (1, 4));
    assert!(!seats.contains(&fourth));

    authority.vendor(&["deployment-key", "revoke", &other_id]);
    image.start("five", &other, &["activate"]).refused("deployment-key-refused", "revoked at 2");
    image.start("four", &other, &["check-in"]).usable();
    image.start("five", "nld_nobodys", &["activate"]).refused("deployment-key-refused", "nobody has");
    // No license of another product is had with it.
    let of_other = ["activate", "--product", "Another"];
    let said = image.start("six", &key, &of_other);
    said.refused("wrong-product", "Another");

    while SystemClock.now() < end {
        thread::sleep(Duration::from_millis(200));
    }
    image.start("five", &ending, &["activate"]).refused("deployment-key-refused", &format!("ended at {end}"));
    assert_eq!(authority.count_taken(), 4);
    authority.vendor(&["verify"]);
}

#[test]
fn an_image_with_a_store_in_it_is_one_device_however_many_containers_start_from_it() {
    let authority = Authority::new();
    let license = sell(&authority, "9");
    let (id, key) = new_key(&authority, &license, "9", &[]);
    // The image was built with a request in it, because the build had no network.
    let asked = Image { authority: authority.clone(), name: "asked" };
    let built = asked.build(&["activate"]);
    assert_eq!(Said::from(built).json["error"], "unreachable");
    let one = asked.start("one", &key, &["start"]).usable();
    assert_eq!(asked.start("two", &key, &["activate"]).usable(), one);
    assert_eq!((used(&authority, &id), authority.count_taken()), (1, 1));

    // And another with the license itself, and with no secret in it.
    let sold = Image { authority: authority.clone(), name: "one" };
    for name in ["three", "four"] {
        sold.start(name, &key, &["activate"]).refused("already-active", "a license is there");
        assert_eq!(sold.start(name, &key, &["start"]).usable(), one);
    }
    assert_eq!((used(&authority, &id), authority.count_taken()), (1, 1));
    for entry in fs::read_dir(authority.path("one").join("store")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()));
    }
}

#[test]
fn somebody_who_guesses_deployment_keys_is_kept_waiting_and_a_right_one_from_there_is_not() {
    let authority = Authority::new();
    let license = sell(&authority, "1");
    let (_, key) = new_key(&authority, &license, "1", &[]);
    let store = Store::in_memory();
    let client = |key: &str| {
        Client::builder(PRODUCT, Roots::new([authority.root.parse().unwrap()]))
            .store(store.clone())
            .probe(|| machine("machine"))
            .authority(nodelock::Authority::new(format!("http://{}", authority.address), http()).attempts(1))
            .deployment_key(key)
            .build()
            .unwrap()
    };
    let guess = client("nld_guess");
    let guess = || guess.activate(ActivationRequestOptions::new()).unwrap_err().kind();
    for _ in 0..20 {
        assert_eq!(guess(), ErrorKind::DeploymentKeyRefused);
    }
    assert_eq!(guess(), ErrorKind::TooManyAttempts);
    assert!(client(&key).activate(ActivationRequestOptions::new()).unwrap().is_usable());
    assert_eq!(authority.actions().iter().filter(|(_, action)| action == "refused").count(), 1);
}
