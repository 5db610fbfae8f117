//! What an application does at each start, in one call.

use std::time::Duration;

use super::{
    boundary::{Out, fallible, object},
    call::nodelock_call,
    client::nodelock_client,
    error::{CallError, nodelock_error},
    license::nodelock_license,
    status::nodelock_status,
};
use crate::Renewal;

/// All that an application does when it starts: nodelock_client_check(), nodelock_client_observe() where that has
/// something to record, and what is due with the authority: the license's renewal, a request that waits for its answer,
/// seats that were given up. It waits for the network `limit` milliseconds at most, for all exchanges together; 3000
/// suits most. With 0 it uses none.
///
/// What fails on the way to the authority fails no start: a usable license stays usable. `warning` is then why the
/// renewal did not come, or why the store could not record that time has passed; NULL if all is well. It belongs to the
/// caller, to be shown or logged and freed. `warning` itself may be NULL, and so may `call`.
/// nodelock_license_is_renewed() and nodelock_license_renewal_due() say what became of the renewal.
///
/// A later start asks again. Starts that follow within a pause do not: a minute after the first failure, twice as long
/// after each further one, an hour at most, and a minute at most while the license is not usable. A start that was
/// cancelled is no failure: the next one asks at once. An application that runs for days calls it once a day, too.
/// Nothing is sent that nodelock_client_check_in() would not send, and nothing goes on when it has returned.
///
/// Fails as nodelock_client_check() does.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_start(
    client: *const nodelock_client,
    limit: u64,
    call: *const nodelock_call,
    license: *mut *mut nodelock_license,
    warning: *mut *mut nodelock_error,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client and a call that live; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let warning = if warning.is_null() { None } else { Some(Out::<nodelock_error>::new(warning)?) };
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            let (status, renewal, unrecorded) =
                client.run_online(c"nodelock_client_start", call, |online| {
                    Ok(online.start(Duration::from_millis(limit))?.into_parts())
                })?;
            let is_renewed = matches!(renewal, Renewal::Done);
            let why = match renewal {
                Renewal::Due(error) => Some(error),
                _ => unrecorded,
            };
            if let Some(warning) = warning {
                warning.set_if(why.map(CallError::from));
            }
            license.set(nodelock_license::started(status, is_renewed));
            Ok(())
        })
    }
}
