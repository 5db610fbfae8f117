//! What an application does at each start, in one call (docs/PROTOCOL.md, Starts).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    disk::Disk,
    vendor::{Device, Vendor},
    wire::Wire,
};
use nodelock::{
    Answer, Client, Clock as _, Error, ErrorKind, Post, Reason, Renewal, Result, Started, Store, Transport,
    Verdict,
};

const LIMIT: Duration = Duration::from_secs(3);
const MINUTE: u64 = 60;
/// When a license of a lease of 90 days asks to be renewed.
const DUE: u64 = 45;

type Before = Box<dyn Fn(&Post<'_>) + Send + Sync>;

/// A way to the vendor that can be cut. It keeps what was sent.
#[derive(Clone)]
struct Way {
    wire: Wire,
    is_cut: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<(String, Duration)>>>,
    before: Arc<Mutex<Option<Before>>>,
}

impl Way {
    fn to(vendor: &Vendor) -> Self {
        Self {
            wire: Wire::to(vendor.clone()),
            is_cut: Arc::default(),
            sent: Arc::default(),
            before: Arc::default(),
        }
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    fn before(&self, act: impl Fn(&Post<'_>) + Send + Sync + 'static) {
        *self.before.lock().unwrap() = Some(Box::new(act));
    }

    /// What was sent since this was asked last: path, members and how long it might take.
    fn take_sent(&self) -> Vec<(String, Duration)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    fn take_paths(&self) -> Vec<String> {
        self.take_sent().into_iter().map(|(path, _)| path).collect()
    }

    /// The application, started on that device.
    fn client(&self, device: &Device) -> Client {
        device
            .builder()
            .authority(nodelock::Authority::new("https://authority", self.clone()))
            .build()
            .unwrap()
    }

    /// A process that starts.
    fn start(&self, device: &Device) -> Started {
        self.client(device).start(LIMIT).unwrap()
    }
}

impl Transport for Way {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        let body: serde_json::Value = serde_json::from_slice(post.body).unwrap();
        let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        let path = post.url.strip_prefix("https://authority").unwrap();
        self.sent.lock().unwrap().push((format!("{path} {}", members.join(" ")), post.timeout));
        if let Some(before) = &*self.before.lock().unwrap() {
            before(post);
        }
        match self.is_cut.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Unreachable, "authority")),
            false => self.wire.post(post),
        }
    }
}

/// A device with a license of 90 days.
fn licensed() -> (Vendor, Device, Way) {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let way = Way::to(&vendor);
    (vendor, device, way)
}

fn pass(vendor: &Vendor, seconds: u64) {
    vendor.clock.set(vendor.clock.now().unix_seconds() + seconds);
}

fn why(started: &Started) -> ErrorKind {
    match started.renewal() {
        Renewal::Due(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

fn revision(started: &Started) -> u32 {
    started.status().license().unwrap().revision
}

#[test]
fn a_start_renews_when_that_is_due_and_sends_what_a_check_in_sends() {
    let (vendor, device, way) = licensed();
    for day in 0..DUE {
        let started = way.start(&device);
        assert!(matches!(started.renewal(), Renewal::NotDue), "day {day}: {:?}", started.renewal());
        assert!(!started.status().should_observe() && started.unrecorded().is_none());
        vendor.clock.advance_days(1);
    }
    assert_eq!(way.take_paths(), [""; 0]);
    let started = way.start(&device);
    assert!(matches!(started.renewal(), Renewal::Done), "{:?}", started.renewal());
    assert_eq!((started.status().verdict(), revision(&started)), (&Verdict::Active, 2));
    let sent = way.take_paths();
    way.client(&device).check_in().unwrap();
    assert_eq!(sent, way.take_paths());
    assert!(matches!(way.start(&device).renewal(), Renewal::NotDue));
}

#[test]
fn without_a_limit_for_it_nothing_is_sent() {
    let (vendor, device, way) = licensed();
    vendor.clock.advance_days(DUE);
    let started = way.client(&device).start(Duration::ZERO).unwrap();
    assert_eq!((why(&started), way.take_paths().len()), (ErrorKind::TimedOut, 0));
    assert!(started.status().is_usable() && started.status().renewal_due());
    // It has not asked, so the next one asks at once.
    assert!(matches!(way.start(&device).renewal(), Renewal::Done));

    vendor.clock.advance_days(DUE);
    let started = device.client().start(LIMIT).unwrap();
    assert_eq!(why(&started), ErrorKind::Unsupported, "no authority was given");
}

#[test]
fn starts_in_an_outage_ask_seldom_and_whoever_is_back_online_renews_soon() {
    let (vendor, device, way) = licensed();
    vendor.clock.advance_days(DUE);
    way.cut(true);
    let mut asked = Vec::new();
    for minute in 0..10_000 {
        let started = way.start(&device);
        assert!(started.status().is_usable());
        assert_eq!(why(&started), ErrorKind::Unreachable, "minute {minute}");
        if !way.take_paths().is_empty() {
            asked.push(minute);
        }
        pass(&vendor, MINUTE);
    }
    assert_eq!(asked[..9], [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    assert_eq!(asked.len(), 6 + 10_000_usize.div_ceil(60) - 1, "once an hour from then on: {asked:?}");
    way.cut(false);
    let minutes = (0..).find(|_| {
        pass(&vendor, MINUTE);
        matches!(way.start(&device).renewal(), Renewal::Done)
    });
    assert!(minutes.unwrap() < 60);

    // The next outage begins with the shortest pause.
    vendor.clock.advance_days(DUE);
    way.cut(true);
    way.take_paths();
    for expected in [1, 0, 1] {
        way.start(&device);
        assert_eq!(way.take_paths().len(), expected);
        pass(&vendor, MINUTE / 2 + 1);
    }
}

#[test]
fn whoever_is_locked_out_is_let_in_within_a_minute_after_an_outage() {
    let (vendor, device, way) = licensed();
    vendor.clock.advance_days(DUE);
    way.cut(true);
    for _ in 0..60 {
        way.start(&device);
        vendor.clock.advance_days(1);
    }
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }));
    way.take_paths();
    assert!(!way.start(&device).status().is_usable());
    assert_eq!(way.take_paths().len(), 3, "with nothing to lose it tries as often as any call");
    way.cut(false);
    pass(&vendor, MINUTE);
    let started = way.start(&device);
    assert!(matches!(started.renewal(), Renewal::Done) && started.status().is_usable());
}

#[test]
fn a_clock_that_is_set_right_keeps_no_start_waiting() {
    let (vendor, device, way) = licensed();
    vendor.clock.advance_days(DUE + 1);
    way.cut(true);
    for _ in 0..9 {
        way.start(&device);
        pass(&vendor, 60 * MINUTE);
    }
    way.start(&device);
    way.take_paths();
    vendor.clock.set(vendor.clock.now().unix_seconds() - 60 * MINUTE);
    way.cut(false);
    assert!(matches!(way.start(&device).renewal(), Renewal::Done));
}

#[test]
fn of_starts_at_once_one_asks_and_has_noted_that_before_it_sends() {
    let (vendor, device, way) = licensed();
    vendor.clock.advance_days(DUE);
    let (other, among) = (way.clone(), way.client(&device));
    let seen = Arc::new(Mutex::new(None));
    let found = seen.clone();
    way.before(move |_| *found.lock().unwrap() = Some(why(&among.start(LIMIT).unwrap())));
    assert!(matches!(other.start(&device).renewal(), Renewal::Done));
    assert_eq!(*seen.lock().unwrap(), Some(ErrorKind::TimedOut), "the other one waits for its turn");
    assert_eq!(way.take_paths().len(), 1);
}

#[test]
fn all_exchanges_of_a_start_share_its_limit() {
    const EACH: Duration = Duration::from_millis(20);
    let (mut vendor, device, way) = licensed();
    // Two seats that were given up, a license that is due, and each answer takes its time.
    for _ in 0..2 {
        give_up_and_take_anew(&mut vendor, &device);
    }
    let way = Way { wire: Wire::to(vendor.clone()), ..way };
    vendor.clock.advance_days(DUE);
    way.before(|_| thread::sleep(EACH));
    let started = way.start(&device);
    assert!(matches!(started.renewal(), Renewal::Done), "{:?}", started.renewal());
    let sent = way.take_sent();
    let paths: Vec<_> = sent.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/v1/checkins request", "/v1/deactivations proof", "/v1/deactivations proof"]);
    assert!(sent[0].1 <= LIMIT);
    assert!(sent.windows(2).all(|two| two[1].1 + EACH <= two[0].1), "{sent:?}");

    // Once it is used up, nothing more is sent.
    give_up_and_take_anew(&mut vendor, &device);
    let way = Way { wire: Wire::to(vendor.clone()), ..way };
    vendor.clock.advance_days(DUE);
    way.before(|post| thread::sleep(post.timeout));
    let started = way.client(&device).start(Duration::from_secs(1)).unwrap();
    assert_eq!(why(&started), ErrorKind::TimedOut);
    let sent = way.take_sent();
    assert!(sent.len() <= 1, "{sent:?}");
}

/// The receipt gets lost, so the device still has something to hand in.
fn give_up_and_take_anew(vendor: &mut Vendor, device: &Device) {
    vendor.sell(9);
    device.client().deactivate_offline(Reason::Moved).unwrap();
    let request = device.client().begin(vendor.license_key()).unwrap();
    let license = vendor.answer(&request.to_bytes()).unwrap().license.unwrap();
    device.client().accept(license.as_bytes()).unwrap();
}

#[test]
fn a_seat_that_was_given_up_here_is_handed_in_where_the_renewal_wants_it() {
    let (mut vendor, device, _) = licensed();
    vendor.clock.advance_days(200);
    // The license has lapsed, and this device has given up the seat that took its place.
    let other = Device::activated(&mut vendor, "other");
    let way = Way::to(&vendor);
    assert_eq!(why(&way.start(&device)), ErrorKind::NoFreeSeat);
    other.client().deactivate_offline(Reason::Moved).unwrap();
    assert!(matches!(way.start(&other).renewal(), Renewal::Done), "a start hands in what was given up");
    pass(&vendor, MINUTE);
    let started = way.start(&device);
    assert!(matches!(started.renewal(), Renewal::Done) && started.status().is_usable());
}

#[test]
fn a_request_that_waits_is_answered_by_a_start() {
    let vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let way = Way::to(&vendor);
    way.cut(true);
    assert_eq!(
        way.client(&device).activate(vendor.license_key()).unwrap_err().kind(),
        ErrorKind::Unreachable
    );
    way.cut(false);
    let started = way.start(&device);
    assert!(matches!(started.renewal(), Renewal::Done) && started.status().is_usable());
}

#[test]
fn a_disk_that_takes_nothing_fails_no_start_and_asks_nobody() {
    let mut vendor = Vendor::new();
    let disk = Disk::new();
    let store = Store::in_directory("/var/lib/vendor/product", None).with_file_system(Arc::new(disk.clone()));
    let device = Device::with_store(&vendor, "machine", store);
    device.activate(&mut vendor);
    let way = Way::to(&vendor);
    vendor.clock.advance_days(1);
    disk.set_read_only(true);
    let started = way.start(&device);
    assert!(started.status().is_usable() && matches!(started.renewal(), Renewal::NotDue));
    assert_eq!(started.unrecorded().map(Error::kind), Some(ErrorKind::ReadOnly));
    vendor.clock.advance_days(DUE);
    let started = way.start(&device);
    assert!(started.status().is_usable());
    assert_eq!((why(&started), way.take_paths().len()), (ErrorKind::ReadOnly, 0));
    disk.set_read_only(false);
    assert!(matches!(way.start(&device).renewal(), Renewal::Done));
}

#[test]
fn an_end_that_the_authority_tells_of_ends_the_license() {
    let (mut vendor, device, _) = licensed();
    vendor.force_release(device.handle(), "reported as lost");
    vendor.clock.advance_days(DUE);
    let started = Way::to(&vendor).start(&device);
    assert!(matches!(started.renewal(), Renewal::Done), "{:?}", started.renewal());
    assert!(matches!(started.status().verdict(), Verdict::Revoked { .. }));
}
