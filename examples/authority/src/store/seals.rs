//! The chain of the audit's seals.

use super::{
    Engine, Tx,
    audit::audit_columns,
    raw::RawRow,
    row::{damaged, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{Digest, Field, Seal, line_digest, personal_digest},
    failure::Result,
};

/// What the digest of a line is over, in this order.
const FIELDS: [&str; 12] = [
    "id",
    "at",
    "actor",
    "role",
    "action",
    "license_id",
    "handle",
    "device_key",
    "from_state",
    "to_state",
    "detail",
    "personal_digest",
];
/// What can be emptied.
const PERSONAL: [&str; 2] = ["peer", "personal"];

/// The digest of a line; none where it holds something that no column of the ledger does.
pub(crate) fn digest_of_line(line: &RawRow) -> Option<Digest> {
    let mut fields = FIELDS.iter().map(|column| line.field(column)).collect::<Option<Vec<_>>>()?;
    // A line of before there was that digest: it is over the columns themselves.
    if matches!(fields.last(), Some(Field::Null)) {
        for column in PERSONAL {
            fields.push(line.field(column)?);
        }
    }
    Some(line_digest(&fields))
}

/// Whether what a line says of a person is what its digest is over, or was emptied.
pub(crate) fn is_personal_sound(line: &RawRow) -> bool {
    let field = |column| line.field(column).unwrap_or(Field::Number(0));
    let personal = PERSONAL.map(field);
    match (field("personal_digest"), field("salt")) {
        (Field::Null, Field::Null) => true,
        (Field::Bytes(_), Field::Null) => matches!(personal, [Field::Null, Field::Null]),
        (Field::Bytes(digest), Field::Bytes(salt)) => personal_digest(salt, &personal) == *digest,
        _ => false,
    }
}

/// The first lines without a seal, at most so many: their ids and digests. What is damaged stays without one.
pub(crate) async fn unsealed_lines(tx: &mut Tx, most: i64) -> Result<Vec<(String, Digest)>> {
    let rows =
        query(concat!("SELECT ", audit_columns!(), " FROM audit WHERE seal IS NULL ORDER BY id LIMIT $1"));
    let mut lines = Vec::new();
    for row in rows.bind(most).fetch_all(tx).await? {
        let id = row.get("id")?;
        lines.extend(digest_of_line(&RawRow(row)).map(|digest| (id, digest)));
    }
    Ok(lines)
}

/// How many lines have no seal.
pub(crate) async fn count_unsealed(tx: &mut Tx) -> Result<u64> {
    count(tx, "SELECT COUNT(*) FROM audit WHERE seal IS NULL").await
}

/// How many lines name a seal that is not there.
pub(crate) async fn count_strays(tx: &mut Tx) -> Result<u64> {
    count(
        tx,
        "SELECT COUNT(*) FROM audit WHERE seal IS NOT NULL AND \
         NOT EXISTS (SELECT 1 FROM audit_seal WHERE audit_seal.number = audit.seal)",
    )
    .await
}

async fn count(tx: &mut Tx, sql: &'static str) -> Result<u64> {
    let number: i64 = query(sql).fetch_one(tx).await?.first()?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// The newest seal.
pub(crate) async fn last_seal(tx: &mut Tx) -> Result<Option<Seal>> {
    let row = query(
        "SELECT number, at, lines, lines_digest, previous FROM audit_seal ORDER BY number DESC LIMIT 1",
    );
    row.fetch_optional(tx).await?.as_ref().map(seal).transpose()
}

fn seal(row: &Row) -> Result<Seal> {
    Ok(Seal {
        number: number(row, "number")?,
        at: time(row, "at")?,
        lines: number(row, "lines")?,
        lines_digest: digest(row, "lines_digest")?,
        previous: digest(row, "previous")?,
    })
}

fn number(row: &Row, column: &str) -> Result<u64> {
    u64::try_from(row.get::<i64>(column)?).map_err(|_| damaged("a seal of the audit"))
}

fn digest(row: &Row, column: &str) -> Result<Digest> {
    Digest::try_from(row.get::<&[u8]>(column)?).map_err(|_| damaged("a seal of the audit"))
}

/// Seals these lines. Returns whether all of them had no seal yet; otherwise the caller undoes it.
pub(crate) async fn insert_seal(
    tx: &mut Tx,
    seal: &Seal,
    attestation: Vec<u8>,
    lines: &[(String, Digest)],
) -> Result<bool> {
    let number = i64::try_from(seal.number).map_err(|_| damaged("a seal of the audit"))?;
    let ids: Vec<&str> = lines.iter().map(|(id, _)| id.as_str()).collect();
    let (sql, ids) = match tx.engine {
        Engine::Sqlite => (
            "UPDATE audit SET seal = $1 WHERE seal IS NULL AND id IN (SELECT value FROM json_each($2))",
            serde_json::to_string(&ids)?,
        ),
        Engine::Postgres => (
            "UPDATE audit SET seal = $1 WHERE seal IS NULL AND id = ANY(string_to_array($2, ','))",
            ids.join(","),
        ),
    };
    if query(sql).bind(number).bind(ids).execute(tx).await? != lines.len() as u64 {
        return Ok(false);
    }
    query(
        "INSERT INTO audit_seal (number, at, lines, lines_digest, previous, digest, attestation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(number)
    .bind(seconds(seal.at))
    .bind(i64::try_from(seal.lines).map_err(|_| damaged("a seal of the audit"))?)
    .bind(seal.lines_digest.to_vec())
    .bind(seal.previous.to_vec())
    .bind(seal.digest().to_vec())
    .bind(attestation)
    .execute(tx)
    .await?;
    Ok(true)
}

/// The number of the seal with that digest; none if there is no such seal.
pub(crate) async fn seal_of_digest(tx: &mut Tx, digest: &Digest) -> Result<Option<i64>> {
    let row = query("SELECT number FROM audit_seal WHERE digest = $1").bind(digest.to_vec());
    Ok(row.fetch_optional(tx).await?.map(|row| row.get("number")).transpose()?)
}

/// Seals after one, at most so many, as the database has them.
pub(crate) async fn seals_after(tx: &mut Tx, number: i64, most: i64) -> Result<Vec<RawRow>> {
    let rows = query(
        "SELECT number, at, lines, lines_digest, previous, digest, attestation FROM audit_seal \
         WHERE number > $1 ORDER BY number LIMIT $2",
    );
    Ok(rows.bind(number).bind(most).fetch_all(tx).await?.into_iter().map(RawRow).collect())
}

/// Looks at each line of these seals, the first and the last of them included: in their order, and in that of the
/// lines.
pub(crate) async fn walk_sealed(
    tx: &mut Tx,
    (first, last): (i64, i64),
    mut look: impl FnMut(&RawRow),
) -> Result<()> {
    let rows = query(concat!(
        "SELECT ",
        audit_columns!(),
        ", seal FROM audit WHERE seal >= $1 AND seal <= $2 ORDER BY seal, id"
    ));
    Ok(rows.bind(first).bind(last).for_each(tx, |row| look(&RawRow(row))).await?)
}
