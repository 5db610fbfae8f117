//! What happened.

use super::Database;
use crate::{domain::AuditRow, failure::Result, store};

/// The latest `limit` lines of the audit, oldest first.
pub(crate) async fn audit(database: &Database, limit: u32) -> Result<Vec<AuditRow>> {
    store::latest(&mut database.read().await?, limit).await
}
