//! What a ledger notes of its own service, and how it finds out that a part of it is missing.

use std::time::Duration;

use super::{
    Change, EventKind, Moment, Refusal, Ruling, Step, step,
    work::{Stop, Work},
};
use crate::{
    Page, Timestamp,
    authority::{
        history::{History, Noted},
        records::{Query, Records},
    },
};

/// How long a ledger may be silent without a sign that something is missing. It is noted in every minute.
pub const SILENCE: Duration = Duration::from_secs(2 * 60);

/// How long ago a clean stop may have been that explains a silence.
const STOPPED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a host knows when it notes its service: at its start, in each minute while it serves, and when it stops.
///
/// The page that is noted is the one of the [`Moment`], which must be new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The page that this host copied outside of the ledger last, read from there; of a host that serves the page that
    /// it noted last. None if there is none.
    pub outside: Option<Page>,
    /// Whether no backup of the ledger reaches the place of that page. One beside the keys may have been rolled back
    /// together with the ledger.
    pub trusted: bool,
    /// Whether the operator says that the ledger was not restored. That ends gaps that a silence began, and no other.
    pub vouched: bool,
    /// Whether the service stops with this. It goes on if another server has noted something since this one did.
    pub stopping: bool,
    /// How long ago this host's last note was, by a clock that nobody sets; none at its start. So a ledger whose clock
    /// was set is not taken for one that was restored.
    pub since_last: Option<Duration>,
}

/// Notes a page and the time, and finds out whether the ledger lost a part of its history: [`Ruling::Noted`].
///
/// Store it, and then copy the page to its place outside. Only then may anything be signed under it.
///
/// History is missing when the ledger does not know the page that is outside. It may be missing when nothing was noted
/// for more than [`SILENCE`], unless the page outside is the ledger's last, or a clean stop was noted last and at most
/// a day ago, or this host noted something less than that ago by its own clock, or the operator
/// [vouches](Note::vouched) for the ledger. The first note of a ledger finds nothing missing if no page is outside.
pub fn note(note: &Note, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(decide(&mut work, note).map(|ruling| work.decide(ruling)))
}

fn decide(work: &mut Work<'_>, note: &Note) -> Result<Ruling, Stop> {
    work.need([Query::History].into_iter().chain(note.outside.map(Query::Page)))?;
    let (now, page) = (work.moment.now, work.moment.page);
    let is_unknown = match note.outside {
        Some(outside) => !work.is_known(outside)?,
        None => false,
    };
    let before = work.history()?;
    let is_last = before.as_ref().is_some_and(|before| note.outside == Some(before.last_page));
    let mut history = History {
        last_page: page,
        noted: now,
        // Another server is at work if it noted something since.
        stopped: note.stopping && (is_last || before.is_none()),
        trusted: note.trusted && is_last,
        recent: match &before {
            Some(before) => before.recent_with(page, now),
            None => vec![Noted { page, noted: now }],
        },
        gaps: before.as_ref().map(|before| before.gaps.clone()).unwrap_or_default(),
        alarmed: before.as_ref().and_then(|before| before.alarmed),
    };
    if note.vouched {
        history.gaps.retain(|gap| gap.is_evident);
    }
    let is_silent = before.as_ref().is_some_and(|before| is_silent(before, note, is_last, now));
    let history = match &before {
        Some(before) if is_unknown || is_silent => {
            let what = if is_unknown { "history is missing" } else { "history may be missing" };
            work.note_of_nobody(EventKind::Restored, format!("{what} since {}", before.noted));
            history.with_gap(
                before.noted,
                before.recent_pages(),
                is_unknown,
                (now, work.moment.longest_lease),
            )
        }
        None if is_unknown => {
            work.note_of_nobody(EventKind::Restored, "all history is missing".into());
            history.with_gap(Timestamp::MIN, Vec::new(), true, (now, work.moment.longest_lease))
        }
        _ => history,
    };
    work.store(Change::Page(page));
    work.set_history(history.clone());
    Ok(Ruling::Noted(history))
}

/// Whether nothing was noted for so long that an earlier copy of the ledger may be in its place.
fn is_silent(before: &History, note: &Note, is_last: bool, now: Timestamp) -> bool {
    let silence = now.since(before.noted);
    // Of a host that lives, at most the last two minutes can be missing if the ledger knows its last page.
    let is_alive = note.outside.is_some() && note.since_last.is_some_and(|since| since <= SILENCE);
    let is_stopped = before.stopped && silence <= STOPPED;
    let is_excused = (is_last || is_stopped) && !mutated!(RestartDelaysALapse);
    silence > SILENCE && !is_excused && !is_alive && !note.vouched && !mutated!(SilenceIsNoGap)
}
