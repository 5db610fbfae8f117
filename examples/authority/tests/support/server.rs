//! The authority as its vendor runs it: commands and a server, each in a process of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use nodelock::{
    Client, ClientBuilder, DeactivationReceipt, License, Revocation, Roots, Store, Transport,
    fingerprint::{Component, Probe},
};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{
    calls::http,
    clock::MovedClock,
    requests::{WholeResponse, request},
};

pub const PRODUCT: &str = "Example";

/// The environment variable with the URL of a PostgreSQL server, without a database, to use instead of SQLite.
pub const POSTGRES: &str = "NODELOCK_ONLINE_POSTGRES";

/// The authority's program.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_authority"))
}

/// The command-line client's program.
pub fn client_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_test-client"))
}

/// Where an authority keeps its ledger.
#[derive(Clone)]
pub enum Engine {
    Sqlite,
    /// With the URL of its server.
    Postgres(String),
}

impl Engine {
    /// The one that the environment asks for.
    pub fn chosen() -> Self {
        std::env::var(POSTGRES).map_or(Self::Sqlite, Self::Postgres)
    }

    /// Makes the empty database that PostgreSQL wants; the authority makes SQLite's file.
    pub fn create_database(&self, directory: &Path) {
        if let Self::Postgres(server) = self {
            psql(server, &format!("CREATE DATABASE \"{}\"", database(directory)));
        }
    }

    /// Makes the database what it was before anybody wrote to it. Nobody has it open.
    pub fn forget_ledger(&self, directory: &Path) {
        match self {
            Self::Sqlite => {
                fs::remove_file(directory.join("authority.db")).unwrap();
                for beside in &LEDGER[1..] {
                    let _ = fs::remove_file(directory.join(beside));
                }
            }
            Self::Postgres(server) => {
                let url = format!("{server}/{}", database(directory));
                let drop = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
                let psql = Command::new("psql").arg(url).args(["-qc", drop]).stderr(Stdio::null()).status();
                assert!(psql.unwrap().success());
            }
        }
    }

    /// Keeps a copy of the ledger, as an operator does behind the authority's back. Nobody has it open.
    pub fn keep_copy(&self, directory: &Path) {
        match self {
            Self::Sqlite => {
                for name in LEDGER {
                    let copy = directory.join(format!("{name}.copy"));
                    let _ = fs::remove_file(&copy);
                    match fs::copy(directory.join(name), copy) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                        _ => {}
                    }
                }
            }
            Self::Postgres(server) => {
                let of = database(directory);
                psql(server, &format!("DROP DATABASE IF EXISTS \"{of}-copy\""));
                psql(server, &format!("CREATE DATABASE \"{of}-copy\" TEMPLATE \"{of}\""));
            }
        }
    }

    /// Puts the copy in the place of the ledger. Nobody has either open.
    pub fn put_back_copy(&self, directory: &Path) {
        match self {
            Self::Sqlite => {
                for name in LEDGER {
                    let (file, copy) = (directory.join(name), directory.join(format!("{name}.copy")));
                    let _ = fs::remove_file(&file);
                    if copy.exists() {
                        fs::copy(copy, file).unwrap();
                    }
                }
            }
            Self::Postgres(server) => {
                let of = database(directory);
                psql(server, &format!("DROP DATABASE \"{of}\""));
                psql(server, &format!("CREATE DATABASE \"{of}\" TEMPLATE \"{of}-copy\""));
            }
        }
    }

    /// The same with the database's file alone, as if nobody knew of the log beside it: what was in the log is missing.
    pub fn put_back_without_log(&self, directory: &Path) {
        assert!(matches!(self, Self::Sqlite), "only SQLite has a log beside its file");
        for name in LEDGER {
            let _ = fs::remove_file(directory.join(name));
        }
        fs::copy(directory.join("authority.db.copy"), directory.join("authority.db")).unwrap();
    }

    /// A command of the authority in that directory.
    pub fn command(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--dir").arg(directory).stdin(Stdio::null());
        if let Self::Postgres(server) = self {
            command.arg("--db").arg(format!("{server}/{}", database(directory)));
        }
        command
    }
}

/// The files of a ledger on SQLite.
const LEDGER: [&str; 3] = ["authority.db", "authority.db-wal", "authority.db-shm"];

fn psql(server: &str, statement: &str) {
    let mut psql = Command::new("psql");
    psql.arg(format!("{server}/postgres")).args(["-qc", statement]).stderr(Stdio::null());
    assert!(psql.status().unwrap().success(), "{statement}");
}

/// The name of an authority's database on a PostgreSQL server.
pub fn database(directory: &Path) -> String {
    let folder = directory.parent().unwrap().file_name().unwrap().to_str().unwrap();
    folder.trim_start_matches('.').to_owned()
}

/// A server in a process that ends with this.
pub struct Server {
    pub process: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts the server of this directory, and returns once it says where it listens. Its log is in the directory.
    pub fn start(engine: &Engine, directory: &Path, listen: &str, options: &[String]) -> Self {
        Self::run(engine.command(directory, &["serve", "--listen", listen]), directory, options)
    }

    fn run(mut serve: Command, directory: &Path, options: &[String]) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log")).unwrap();
        let mut process = serve.args(options).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap_or_else(|e| panic!("{e}: {line:?}"));
        Self { process, address }
    }

    pub fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.address.port())
    }

    /// Ends the process with no chance to tidy up.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority in a temporary folder: its keys and its database, without a server.
pub struct Installation {
    pub folder: TempDir,
    /// Its public root key, as applications embed it.
    pub root: String,
    engine: Engine,
    pub(super) clock: Option<MovedClock>,
}

impl Installation {
    pub fn new() -> Self {
        Self::in_folder(PRODUCT, tempfile::tempdir().unwrap(), Engine::chosen())
    }

    pub fn in_folder(product: &str, folder: TempDir, engine: Engine) -> Self {
        Self::with_clock(product, folder, engine, None)
    }

    fn with_clock(product: &str, folder: TempDir, engine: Engine, clock: Option<MovedClock>) -> Self {
        let mut made = Self { folder, root: String::new(), engine, clock };
        made.engine.create_database(&made.directory());
        made.root = made.vendor(&["init", "--product", product])["root"].as_str().unwrap().to_owned();
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn directory(&self) -> PathBuf {
        self.path("authority")
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The URL of its database, for tests that read past the authority.
    pub fn database_url(&self) -> String {
        match &self.engine {
            Engine::Postgres(server) => format!("{server}/{}", database(&self.directory())),
            Engine::Sqlite => format!("sqlite:{}", self.directory().join("authority.db").display()),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.engine.command(&self.directory(), arguments);
        if let Some(clock) = &self.clock {
            clock.given_to(&mut command);
        }
        command
    }

    /// One more server over the same database, at a port of its own.
    pub fn serve(&self, options: &[String]) -> Server {
        self.serve_at("127.0.0.1:0", options)
    }

    pub fn serve_at(&self, listen: &str, options: &[String]) -> Server {
        Server::run(self.command(&["serve", "--listen", listen]), &self.directory(), options)
    }

    /// The address of a listener that its server logged last, by the name of the event.
    pub fn listener(&self, event: &str) -> SocketAddr {
        let log = fs::read_to_string(self.directory().join("log")).unwrap();
        let mut lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let listening = lines.find(|line| line["event"] == event).unwrap();
        listening["address"].as_str().unwrap().parse().unwrap()
    }

    /// The answer to a command that must succeed.
    pub fn vendor(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Sells a license, with deactivations without limit unless `more` says otherwise, and returns its key.
    pub fn sell(&self, seats: &str, more: &[&str]) -> String {
        let new = [&["license", "new", "--licensee", "Jane Doe", "--seats", seats], more].concat();
        let new = with_deactivations(&new);
        self.vendor(&new)["key"].as_str().unwrap().to_owned()
    }

    pub fn seats(&self) -> Vec<Value> {
        self.vendor(&["list"])["seats"].as_array().unwrap().clone()
    }

    /// What a message of the authority says, but for the page that it was signed under and the chain at that page:
    /// signed anew, it has others.
    pub fn but_for_page(&self, message: &Value) -> Vec<u8> {
        let Some(text) = message.as_str() else { return Vec::new() };
        let roots = Roots::new([self.root.parse().unwrap()]);
        let license = License::verify(text.as_bytes(), &roots).map(|m| (m.page, m.as_bytes().to_vec()));
        let receipt =
            || DeactivationReceipt::verify(text.as_bytes(), &roots).map(|m| (m.page, m.as_bytes().to_vec()));
        let revocation =
            || Revocation::verify(text.as_bytes(), &roots).map(|m| (m.page, m.as_bytes().to_vec()));
        let (page, mut bytes) = license.or_else(|_| receipt()).or_else(|_| revocation()).unwrap();
        // Behind the page are the extensions, of which the chain is one, and the signature over all of it.
        let at = bytes.windows(8).rposition(|window| window == page.as_bytes()).unwrap();
        bytes.truncate(at);
        bytes
    }

    /// The handles of the seats that are taken.
    pub fn taken(&self) -> Vec<String> {
        let taken = |seat: &Value| matches!(seat["state"].as_str(), Some("active" | "held"));
        let handle = |seat: &Value| seat["handle"].as_str().unwrap().to_owned();
        self.seats().iter().filter(|seat| taken(seat)).map(handle).collect()
    }

    /// How many seats are taken, as the list of licenses says.
    pub fn count_taken(&self) -> u64 {
        let licenses = self.vendor(&["license", "list"]);
        licenses["licenses"].as_array().unwrap().iter().map(|l| l["seats"]["taken"].as_u64().unwrap()).sum()
    }

    pub fn audit(&self) -> Vec<Value> {
        self.vendor(&["audit", "list"])["audit"].as_array().unwrap().clone()
    }

    /// Who did what, by the audit.
    pub fn actions(&self) -> Vec<(String, String)> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        self.audit().iter().map(|line| (text(line, "actor"), text(line, "action"))).collect()
    }

    /// A device with a store of that name. All of them say that they are one virtual machine, so that none takes
    /// another's place, whatever these tests run on.
    pub fn client(&self, name: &str) -> ClientBuilder {
        self.client_of(name, Roots::new([self.root.parse().unwrap()]))
    }

    /// The same of an application that trusts other roots.
    pub fn client_of(&self, name: &str, roots: Roots) -> ClientBuilder {
        Client::builder(PRODUCT, roots).store(Store::in_directory(self.path(name), None)).probe(|| {
            Probe::from_values(
                [(Component::HwUuid, "4c4c4544-0042-3510-8052-b7c04f380001".to_owned())],
                true,
                false,
            )
        })
    }
}

/// An authority and its server.
pub struct Authority {
    installation: Installation,
    pub address: SocketAddr,
    pub server: Mutex<Server>,
    /// Holds the port while there is no server: bound and not listened to, it refuses like one that is free.
    port: Mutex<Option<Socket>>,
    options: Vec<String>,
}

impl Deref for Authority {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        &self.installation
    }
}

/// A folder that is not on a disk, where there is such a place.
pub fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.unwrap()
}

impl Authority {
    pub fn new() -> Arc<Self> {
        Self::with(&[])
    }

    /// One whose server is started with further options.
    pub fn with(options: &[&str]) -> Arc<Self> {
        Self::of(PRODUCT, options)
    }

    /// One for another product.
    pub fn of(product: &str, options: &[&str]) -> Arc<Self> {
        Self::in_folder(product, tempfile::tempdir().unwrap(), options)
    }

    /// One in a folder of the caller's, after which its database is called.
    pub fn in_this_folder(product: &str, folder: TempDir) -> Arc<Self> {
        Self::in_folder(product, folder, &[])
    }

    /// One whose files are in memory, where there is such a place: faults of the network need no disk.
    pub fn in_memory() -> Arc<Self> {
        Self::in_folder(PRODUCT, in_memory(), &[])
    }

    /// The same with further options for its server.
    pub fn in_memory_with(options: &[&str]) -> Arc<Self> {
        Self::in_folder(PRODUCT, in_memory(), options)
    }

    /// The same with a clock that the test sets, and a certificate that outlasts it; none where there is no such clock.
    pub fn over_time(seconds: u64) -> Option<Arc<Self>> {
        Self::over_time_of(PRODUCT, seconds)
    }

    /// The same for another product.
    pub fn over_time_of(product: &str, seconds: u64) -> Option<Arc<Self>> {
        Self::over_time_with(product, seconds, &[])
    }

    /// The same with further options for its server.
    pub fn over_time_with(product: &str, seconds: u64, options: &[&str]) -> Option<Arc<Self>> {
        let folder = in_memory();
        let clock = MovedClock::new(folder.path().join("clock"), seconds)?;
        let installation = Installation::with_clock(product, folder, Engine::chosen(), Some(clock));
        installation.vendor(&["certificate", "new", "--days", "36500"]);
        Some(Self::serving(installation, options))
    }

    fn in_folder(product: &str, folder: TempDir, options: &[&str]) -> Arc<Self> {
        Self::serving(Installation::in_folder(product, folder, Engine::chosen()), options)
    }

    fn serving(installation: Installation, options: &[&str]) -> Arc<Self> {
        let options = [&["--metrics-listen", "127.0.0.1:0"], options].concat();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let server = installation.serve(&options);
        let address = server.address;
        Arc::new(Self { installation, address, server: Mutex::new(server), port: Mutex::default(), options })
    }

    /// Ends the server with no chance to tidy up.
    pub fn kill(&self) {
        self.server.lock().unwrap().kill();
        // Elsewhere two sockets do not share a port like that.
        if cfg!(target_os = "linux") {
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&self.address.into()).unwrap();
            *self.port.lock().unwrap() = Some(socket);
        }
    }

    pub fn restart(&self) {
        *self.server.lock().unwrap() = self.serve_at(&self.address.to_string(), &self.options);
        *self.port.lock().unwrap() = None;
    }

    pub fn device(&self, name: &str) -> Client {
        self.device_over(name, http())
    }

    pub fn device_over(&self, name: &str, transport: impl Transport + 'static) -> Client {
        self.device_at(name, format!("http://{}/", self.address), transport)
    }

    /// A device that is told another address.
    pub fn device_at(&self, name: &str, url: String, transport: impl Transport + 'static) -> Client {
        self.client(name)
            .authority(nodelock::Authority::new(url, transport).timeout(Duration::from_secs(10)).attempts(1))
            .build()
            .unwrap()
    }

    pub fn get(&self, path: &str) -> WholeResponse {
        self.ask("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> WholeResponse {
        self.post_as("application/json", path, body.to_string().as_bytes())
    }

    /// Posts a body as that type of content.
    pub fn post_as(&self, content_type: &str, path: &str, body: &[u8]) -> WholeResponse {
        self.ask("POST", path, &[("Content-Type", content_type)], body)
    }

    /// A request with headers of the caller's choosing.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> WholeResponse {
        request(self.address, method, path, headers, body)
    }

    /// What the operator sees, on a listener whose address is in the log.
    pub fn metrics(&self) -> String {
        let address = self.listener("metrics-listening");
        request(address, "GET", "/metrics", &[], b"").body
    }

    /// All that the server has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory().join("log")).unwrap()
    }
}

/// A sale of deactivations without limit, unless it says otherwise: what nobody says is none at all.
pub fn with_deactivations<'a>(sale: &[&'a str]) -> Vec<&'a str> {
    let is_said = sale.contains(&"--deactivations");
    [sale, if is_said { &[] } else { &["--deactivations", "none"] }].concat()
}
