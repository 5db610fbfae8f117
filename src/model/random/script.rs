//! What happens in a random run: drawn from its number, and the same over the decisions alone (`src/model/random`) and
//! over the real programs (`examples/authority/tests/faults/over_time`).

use super::dice::Dice;

/// How many computers take part.
pub const COMPUTERS: usize = 3;
/// How many installations of the application there are at first: two on the first computer, one on each other.
pub const INSTALLED: usize = COMPUTERS + 1;
const ACTS: usize = 48;

/// The longest lease that the authority may ever sign.
pub const LONGEST_LEASE_DAYS: u32 = 40;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

/// What the authority notes of seats, and must have noted when all runs are over.
pub const NOTED: [&str; 16] = [
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

/// What was sold.
#[derive(Clone, Copy, Debug)]
pub struct Sold {
    pub seats: usize,
    pub lease_days: u32,
    /// None keeps every seat until somebody gives it back.
    pub margin_days: Option<u32>,
    pub deactivations: Option<u32>,
    pub reinstalls: u32,
    pub replace: u32,
    pub one_seat_per_machine: bool,
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
    EditSeats(usize),
    EditLease(u32),
    EditMargin(u32),
    /// The server is killed and started again.
    Restart,
    /// Somebody makes a copy of the ledger, behind the authority's back. The first one is from the beginning.
    Copy,
    /// The copy is put in the ledger's place, behind the authority's back.
    Restore(Restored),
    /// Somebody checks in with a license that proves nothing.
    Lie,
}

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
    pub const NAMES: [&str; 30] = [
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
        "server killed and started",
        "ledger copied",
        "ledger put back with its log",
        "ledger put back without its log",
        "ledger and keys put back together",
        "ledger put back, and the page outside lost",
        "ledger put back under one of two servers",
        "checked in with a false license",
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
            Self::Restart => 22,
            Self::Copy => 23,
            Self::Restore(restored) => 24 + restored as usize,
            Self::Lie => 29,
        }]
    }

    fn draw(dice: &mut Dice) -> Self {
        match dice.below(59) {
            0..=16 => Self::Use,
            17..=19 => Self::GiveUp,
            20 | 21 => Self::GiveUpOffline,
            22 | 23 => Self::Cancel,
            24 => Self::HandIn,
            25..=27 => Self::NameASeat,
            28 => Self::ReissuedKey,
            29 => Self::AnotherLicense,
            30 | 31 => Self::LoseStore,
            32 => Self::Recover,
            33 | 34 => Self::Format,
            35 => Self::SecondSystem,
            36 => Self::CopyElsewhere,
            37 => Self::FallSilent,
            38 | 39 => Self::TurnUp,
            40 => Self::SetClock,
            41 => Self::Release,
            42 => Self::Renew,
            43..=45 => Self::ReturnHeld,
            46 => Self::EditSeats(1 + dice.below(3)),
            47..=51 => Self::EditLease(dice.one_of(&LEASES)),
            52 => Self::EditMargin(dice.one_of(&MARGINS)),
            53 => Self::Restart,
            54 | 55 => Self::Copy,
            56 | 57 => Self::Restore(dice.one_of(&RESTORED)),
            _ => Self::Lie,
        }
    }
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
