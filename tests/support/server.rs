//! The reference authority in a process of its own: its server on a port of its own, its commands beside it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{Client, ErrorKind, HttpOptions, HttpTransport, Roots, Store, Transport};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

pub const PRODUCT: &str = "Example";

/// The URL of a PostgreSQL server, without a database, to run all of this on instead of SQLite.
pub const POSTGRES: &str = "NODELOCK_ONLINE_POSTGRES";

pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join("examples").join(format!("authority{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --example authority` first",
        program.display()
    );
    program
}

/// An authority in a temporary folder, and its server.
pub struct Authority {
    pub folder: TempDir,
    pub root: String,
    pub address: SocketAddr,
    pub server: Mutex<Child>,
    /// Holds the port while there is no server: bound and not listened to, it refuses like one that is free.
    port: Mutex<Option<Socket>>,
    options: Vec<String>,
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

    /// One whose files are in memory, where there is such a place: faults of the network need no disk.
    pub fn in_memory() -> Arc<Self> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self::in_folder(PRODUCT, folder.unwrap(), &[])
    }

    fn in_folder(product: &str, folder: TempDir, options: &[&str]) -> Arc<Self> {
        let directory = folder.path().join("authority");
        create_database(&directory);
        let made = command(&directory, &["init", "--product", product, "--json"]).output().unwrap();
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let root = made["root"].as_str().unwrap().to_owned();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let (server, address) = serve(&directory, "127.0.0.1:0", &options);
        Arc::new(Self { folder, root, address, server: Mutex::new(server), port: Mutex::default(), options })
    }

    pub fn directory(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    /// Where its database is, for whoever looks past it.
    pub fn database_url(&self) -> String {
        match std::env::var(POSTGRES) {
            Ok(server) => format!("{server}/{}", database(&self.directory())),
            Err(_) => format!("sqlite:{}", self.directory().join("authority.db").display()),
        }
    }

    /// What a vendor does beside the server, in a process of its own.
    pub fn vendor(&self, arguments: &[&str]) -> Value {
        let output = command(&self.directory(), arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn sell(&self, seats: &str, more: &[&str]) -> String {
        let new = [&["license", "new", "--licensee", "Jane Doe", "--seats", seats], more].concat();
        self.vendor(&new)["key"].as_str().unwrap().to_owned()
    }

    pub fn seats(&self) -> Vec<Value> {
        self.vendor(&["list"])["seats"].as_array().unwrap().clone()
    }

    /// The handles of the seats that are taken.
    pub fn taken(&self) -> Vec<String> {
        let taken = |seat: &Value| matches!(seat["state"].as_str(), Some("active" | "held"));
        let handle = |seat: &Value| seat["handle"].as_str().unwrap().to_owned();
        self.seats().iter().filter(|seat| taken(seat)).map(handle).collect()
    }

    pub fn actions(&self) -> Vec<(String, String)> {
        let audit = self.vendor(&["audit"]);
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let lines = audit["audit"].as_array().unwrap();
        lines.iter().map(|line| (text(line, "actor"), text(line, "action"))).collect()
    }

    /// Ends the server with no chance to tidy up.
    pub fn kill(&self) {
        let mut server = self.server.lock().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        // Elsewhere two sockets do not share a port like that.
        if cfg!(target_os = "linux") {
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&self.address.into()).unwrap();
            *self.port.lock().unwrap() = Some(socket);
        }
    }

    pub fn restart(&self) {
        let (server, address) = serve(&self.directory(), &self.address.to_string(), &self.options);
        assert_eq!(address, self.address);
        *self.server.lock().unwrap() = server;
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
        Client::builder(PRODUCT, Roots::new([self.root.parse().unwrap()]))
            .store(Store::in_directory(self.folder.path().join(name), None))
            .authority(url, transport)
            .patience(Duration::from_secs(10), 1)
            .build()
            .unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, "application/json", body.to_string().as_bytes())
    }

    pub fn ask(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Reply {
        ask(self.address, method, path, content_type, body)
    }

    /// The same with headers of the caller's choosing.
    pub fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        ask_with(self.address, method, path, headers, body)
    }

    /// Sends these very bytes.
    pub fn send(&self, bytes: &[u8]) -> Reply {
        send(self.address, bytes)
    }

    /// All that the server has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory().join("log")).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let mut server = self.server.lock().unwrap();
        let _ = server.kill();
        let _ = server.wait();
    }
}

/// HTTP by hand, to say what no client would.
pub fn ask(address: SocketAddr, method: &str, path: &str, content_type: &str, body: &[u8]) -> Reply {
    ask_with(address, method, path, &[("Content-Type", content_type)], body)
}

fn ask_with(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let length = body.len().to_string();
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in
        [("Host", "authority"), ("Connection", "close"), ("Content-Length", &length)].iter().chain(headers)
    {
        head += &format!("{name}: {value}\r\n");
    }
    send(address, &[head.as_bytes(), b"\r\n", body].concat())
}

fn send(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    // A server that has seen enough does not read on; that is its right.
    let _ = stream.write_all(bytes);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8(reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| {
        panic!("{:?} got {reply:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]))
    });
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_lowercase(), body: body.to_owned() }
}

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The code of a refusal, which must be in form.
    pub fn problem(&self) -> (u16, String) {
        assert!(self.head.contains("content-type: application/problem+json"), "{} {}", self.head, self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string());
        let kind = problem["type"].as_str().unwrap();
        (self.status, kind.rsplit(':').next().unwrap().to_owned())
    }
}

pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).arg("--dir").arg(directory).stdin(Stdio::null());
    if let Ok(server) = std::env::var(POSTGRES) {
        command.arg("--db").arg(format!("{server}/{}", database(directory)));
    }
    command
}

/// Makes the empty database of an authority, where that is not its own business.
pub fn create_database(directory: &Path) {
    if let Ok(server) = std::env::var(POSTGRES) {
        let create = format!("CREATE DATABASE \"{}\"", database(directory));
        let psql = Command::new("psql").arg(format!("{server}/postgres")).args(["-qc", &create]).status();
        assert!(psql.unwrap().success());
    }
}

/// The name of an authority's database on a PostgreSQL server.
pub fn database(directory: &Path) -> String {
    let folder = directory.parent().unwrap().file_name().unwrap().to_str().unwrap();
    folder.trim_start_matches('.').to_owned()
}

/// Starts a server, and returns once it says where it listens. What it logs is beside its database.
pub fn serve(directory: &Path, listen: &str, options: &[String]) -> (Child, SocketAddr) {
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log")).unwrap();
    let mut serve = command(directory, &["serve", "--listen", listen]);
    let mut child = serve.args(options).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().parse().unwrap_or_else(|e| panic!("{e}: {line:?}"));
    (child, address)
}

pub fn http() -> HttpTransport {
    // Reading the system's certificates takes longer than most calls.
    static HTTP: OnceLock<HttpTransport> = OnceLock::new();
    HTTP.get_or_init(|| HttpOptions::default().no_proxy().build().unwrap()).clone()
}

/// A message's bytes as the one line that members of requests hold.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn kind(result: nodelock::Result<impl Sized>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it went well"),
        Err(error) => error.kind(),
    }
}
