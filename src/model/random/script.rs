//! What happens in a random run: drawn from its number, and the same over the decisions alone (`src/model/random`) and
//! over the real programs (`examples/authority/tests/faults/over_time`).

use super::dice::Dice;

/// How many computers take part.
pub const COMPUTERS: usize = 3;
/// How many installations of the application there are at first: two on the first computer, one on each other.
pub const INSTALLED: usize = COMPUTERS + 1;
const ACTS: usize = 56;

/// The longest lease that the authority may ever sign.
pub const LONGEST_LEASE_DAYS: u32 = 40;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

/// What the authority notes of seats, and must have noted when all runs are over.
pub const NOTED: [&str; 18] = [
    "granted",
    "renewed",
    "checked-in",
    "returned",
    "held",
    "held-taken-over",
    "held-returned",
    "lapsed",
    "replaced",
    "taken-back",
    "replaced-by-customer",
    "lost",
    "released",
    "unreleased",
    "allowed",
    "restored",
    "healed",
    "phantom-ended",
];

/// What a [`Event::TurnUp`] may find.
pub const TURNED_UP_LATE: &str = "turned up when its seat was another's";

/// What may be found after an act, once the ledger was restored.
pub const IN_USE_BESIDES: &str = "a license of the lost time was in use besides";
/// What a check-in may bring after a restore.
pub const FLAGGED: &str = "more seats than were sold, flagged";

/// What was sold, and what the vendor did to it since.
#[derive(Clone, Copy, Debug)]
pub struct Sold {
    pub seats: usize,
    pub lease_days: u32,
    /// None keeps every seat until somebody gives it back.
    pub margin_days: Option<u32>,
    pub deactivations: Option<u32>,
    pub activations: Option<u32>,
    /// Of both allowances, activations first.
    pub granted: [Granted; 2],
    pub is_suspended: bool,
    /// The first second at which it is no longer valid.
    pub end: Option<u64>,
    pub reinstalls: u32,
    pub replace: u32,
    pub one_seat_per_machine: bool,
}

/// What the vendor granted of an allowance beyond its terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// How many of those that were used up count no more.
    pub forgiven: usize,
    pub extra: usize,
}

impl Sold {
    /// How many seats may ever have used up an activation; none is without limit.
    pub fn most_activated(&self) -> Option<usize> {
        most(self.activations, self.granted[0])
    }

    /// The same of deactivations.
    pub fn most_deactivated(&self) -> Option<usize> {
        most(self.deactivations, self.granted[1])
    }

    /// Whether nothing may be issued at that time.
    pub fn is_closed(&self, now: u64) -> bool {
        self.is_suspended || self.end.is_some_and(|end| now >= end)
    }
}

fn most(limit: Option<u32>, granted: Granted) -> Option<usize> {
    limit.map(|limit| limit as usize + granted.forgiven + granted.extra)
}

/// One run.
pub struct Script {
    pub sold: Sold,
    pub acts: Vec<Act>,
}

/// Time goes on, and then something happens to somebody.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub wait: Wait,
    /// Which installation it concerns, counted around those that there are.
    pub installation: usize,
    pub event: Event,
}

/// How long nothing happens.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Seconds(u64),
    /// To an hour before or after the next license on a device ends.
    ToAnEnd {
        after: bool,
    },
    /// To an hour before or after the next seat lapses.
    ToALapse {
        after: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The application is used: it activates where it has no license, and renews the license that it has.
    Use,
    GiveUp,
    GiveUpOffline,
    Cancel,
    HandIn,
    /// Asks for a seat in place of another computer's.
    NameASeat,
    /// Releases another computer's seat with the license key, and says so once more where no answer came.
    ReleaseByCustomer,
    /// Activates with the key that the vendor gave the license instead of the one before, while the old license is
    /// valid.
    ReissuedKey,
    /// Activates with the key of another license, while this one is valid, or goes back to this one.
    AnotherLicense,
    /// The store is lost, all but the device's key.
    LoseStore,
    Recover,
    /// Everything on the computer's disk is wiped, and the application installed again.
    Format,
    /// The application is installed beside the one that is there.
    SecondSystem,
    /// The store is copied to another computer, and a copy checks in there.
    CopyElsewhere,
    /// It is not heard of any more, and goes on being used.
    FallSilent,
    /// One that was silent is heard of again.
    TurnUp,
    /// The clock is set by the hour, as far as that is tolerated.
    SetClock,
    Release,
    Renew,
    ReturnHeld,
    /// The vendor takes a release back.
    Unrelease,
    /// The vendor releases every seat of the license.
    Deactivate,
    EditSeats(usize),
    EditLease(u32),
    EditMargin(u32),
    EditActivations(Option<u32>),
    EditDeactivations(Option<u32>),
    /// The license ends in so many days, or never.
    EditEnd(Option<u32>),
    /// Its end moves by so many days.
    Extend(u32),
    /// Nothing is issued for it, until it goes on.
    Suspend,
    Resume,
    /// What was used up of an allowance counts no more.
    Reset(Allowance),
    /// So many extra ones are granted.
    Extra(Allowance, u32),
    /// The vendor gives the license another key in place of the one before, and says so to nobody yet.
    Rekey,
    /// The server is killed and started again.
    Restart,
    /// Somebody makes a copy of the ledger, behind the authority's back. The first one is from the beginning.
    Copy,
    /// The copy is put in the ledger's place, behind the authority's back.
    Restore(Restored),
    /// Somebody checks in with a license that proves nothing.
    Lie,
}

/// What is counted of a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowance {
    Activations,
    Deactivations,
}

pub const ALLOWANCES: [Allowance; 2] = [Allowance::Activations, Allowance::Deactivations];

/// What is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restored {
    /// The files of the database as they were.
    WithLog,
    /// The database without the log beside it, so what it was some time before the copy was made.
    WithoutLog,
    /// The keys together with it, and with them the page outside.
    WithKeys,
    /// The ledger alone, and there is no page outside any more.
    WithoutPage,
    /// The ledger under one of two servers; the other one goes on.
    OneOfTwo,
}

const RESTORED: [Restored; 5] =
    [Restored::WithLog, Restored::WithoutLog, Restored::WithKeys, Restored::WithoutPage, Restored::OneOfTwo];

impl Event {
    pub const NAMES: [&str; 42] = [
        "used",
        "given up",
        "given up offline",
        "cancelled",
        "handed in",
        "named another computer's seat",
        "activated with a reissued key",
        "activated with another license's key",
        "lost its store",
        "recovered",
        "formatted and installed again",
        "installed beside another system",
        "copied to another computer",
        "fell silent",
        "turned up again",
        "set its clock",
        "released by the vendor",
        "renewed by the vendor",
        "held seat returned by the vendor",
        "number of seats changed",
        "lease changed",
        "margin changed",
        "release taken back by the vendor",
        "every seat released by the vendor",
        "number of activations changed",
        "number of deactivations changed",
        "end changed",
        "end moved",
        "suspended",
        "resumed",
        "allowance reset",
        "extra ones granted",
        "key replaced",
        "server killed and started",
        "ledger copied",
        "ledger put back with its log",
        "ledger put back without its log",
        "ledger and keys put back together",
        "ledger put back, and the page outside lost",
        "ledger put back under one of two servers",
        "checked in with a false license",
        "released by a customer",
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES[match self {
            Self::Use => 0,
            Self::GiveUp => 1,
            Self::GiveUpOffline => 2,
            Self::Cancel => 3,
            Self::HandIn => 4,
            Self::NameASeat => 5,
            Self::ReissuedKey => 6,
            Self::AnotherLicense => 7,
            Self::LoseStore => 8,
            Self::Recover => 9,
            Self::Format => 10,
            Self::SecondSystem => 11,
            Self::CopyElsewhere => 12,
            Self::FallSilent => 13,
            Self::TurnUp => 14,
            Self::SetClock => 15,
            Self::Release => 16,
            Self::Renew => 17,
            Self::ReturnHeld => 18,
            Self::EditSeats(_) => 19,
            Self::EditLease(_) => 20,
            Self::EditMargin(_) => 21,
            Self::Unrelease => 22,
            Self::Deactivate => 23,
            Self::EditActivations(_) => 24,
            Self::EditDeactivations(_) => 25,
            Self::EditEnd(_) => 26,
            Self::Extend(_) => 27,
            Self::Suspend => 28,
            Self::Resume => 29,
            Self::Reset(_) => 30,
            Self::Extra(..) => 31,
            Self::Rekey => 32,
            Self::Restart => 33,
            Self::Copy => 34,
            Self::Restore(restored) => 35 + restored as usize,
            Self::Lie => 40,
            Self::ReleaseByCustomer => 41,
        }]
    }

    fn draw(dice: &mut Dice) -> Self {
        match dice.below(85) {
            0..=22 => Self::Use,
            23..=26 => Self::GiveUp,
            27 | 28 => Self::GiveUpOffline,
            29 | 30 => Self::Cancel,
            31 => Self::HandIn,
            32..=35 => Self::NameASeat,
            36 => Self::ReissuedKey,
            37 => Self::AnotherLicense,
            38 | 39 => Self::LoseStore,
            40 => Self::Recover,
            41 | 42 => Self::Format,
            43 => Self::SecondSystem,
            44 => Self::CopyElsewhere,
            45 => Self::FallSilent,
            46 | 47 => Self::TurnUp,
            48 => Self::SetClock,
            49 | 50 => Self::Release,
            51..=53 => Self::Unrelease,
            54 if dice.once_in(2) => Self::Deactivate,
            54 | 55 => Self::Renew,
            56..=58 => Self::ReturnHeld,
            59 => Self::EditSeats(1 + dice.below(3)),
            60..=63 => Self::EditLease(dice.one_of(&LEASES)),
            64 => Self::EditMargin(dice.one_of(&MARGINS)),
            65 if dice.once_in(2) => Self::EditActivations(limit(dice, &[2, 4, 8])),
            66 if dice.once_in(3) => Self::EditDeactivations(limit(dice, &[0, 1, 2])),
            66 if dice.once_in(2) => Self::EditEnd(limit(dice, &[1, 5, 30])),
            67 | 68 => Self::Extend(dice.one_of(&[2, 10, 30])),
            69 if dice.once_in(2) => Self::Suspend,
            69..=72 => Self::Resume,
            65 | 66 => Self::Use,
            73 | 74 => Self::Reset(dice.one_of(&ALLOWANCES)),
            75 => Self::Extra(dice.one_of(&ALLOWANCES), dice.one_of(&[1, 2])),
            76 => Self::Rekey,
            77 => Self::Restart,
            78 | 79 => Self::Copy,
            80 | 81 => Self::Restore(dice.one_of(&RESTORED)),
            82 | 83 => Self::ReleaseByCustomer,
            _ => Self::Lie,
        }
    }
}

/// One of these limits, or none.
fn limit(dice: &mut Dice, limits: &[u32]) -> Option<u32> {
    Some(dice.one_of(limits)).filter(|_| !dice.once_in(3))
}

const LEASES: [u32; 4] = [4, 8, 20, LONGEST_LEASE_DAYS];
const MARGINS: [u32; 3] = [3, 5, 14];

impl Wait {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(12) {
            0..=5 => Self::Seconds(2),
            6 => Self::Seconds(HOUR * (1 + dice.below(30)) as u64),
            7 | 8 => Self::Seconds(DAY * (1 + dice.below(9)) as u64),
            9 => Self::ToAnEnd { after: !dice.once_in(4) },
            _ => Self::ToALapse { after: !dice.once_in(4) },
        }
    }
}

impl Script {
    /// The run of that number.
    pub fn new(number: u64) -> Self {
        let mut dice = Dice(!number);
        let sold = Sold {
            seats: 1 + dice.below(2),
            lease_days: dice.one_of(&LEASES),
            margin_days: Some(dice.one_of(&MARGINS)).filter(|_| !dice.once_in(12)),
            deactivations: Some(dice.one_of(&[0, 0, 1, 2])).filter(|_| dice.below(3) > 0),
            activations: Some(dice.one_of(&[1, 2, 4, 8])).filter(|_| dice.once_in(4)),
            granted: [Granted::default(); 2],
            is_suspended: false,
            end: None,
            reinstalls: dice.one_of(&[5, 5, 1, 0]),
            replace: dice.one_of(&[1, 2, 0]),
            one_seat_per_machine: dice.once_in(6),
        };
        let mut act = || Act {
            wait: Wait::draw(&mut dice),
            installation: dice.below(1 << 16),
            event: Event::draw(&mut dice),
        };
        Self { sold, acts: (0..ACTS).map(|_| act()).collect() }
    }
}
