//! What every function does at the boundary: look at pointers, read text and bytes, and keep panics in.

use std::{
    ffi::{CStr, CString, c_char},
    fmt::{Display, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::OnceLock,
};

use zeroize::Zeroizing;

use super::error::{CallError, nodelock_error};
use super::status::nodelock_status;
use crate::{Error, ErrorKind};

pub(super) type Result<T> = std::result::Result<T, CallError>;

/// The body of a fallible function: whatever happens in it becomes a status, and an error if somebody wants one.
///
/// It is called once. It comes as a reference so that there is one copy of this for all functions and not one for each.
pub(super) unsafe fn fallible(
    error: *mut *mut nodelock_error,
    body: &mut dyn FnMut() -> Result<()>,
) -> nodelock_status {
    let failure = match contained(body) {
        Some(Ok(())) => None,
        Some(Err(failure)) => Some(failure),
        None => Some(CallError::internal()),
    };
    let status = failure.as_ref().map_or(nodelock_status::NODELOCK_OK, CallError::status);
    if !error.is_null() {
        let failure = failure.map_or(ptr::null_mut(), |failure| give(failure.into()));
        // SAFETY: the caller gives a place for a pointer, whatever it holds.
        unsafe { error.write(failure) }
    }
    status
}

/// What `body` returns; none if it panicked.
pub(super) fn contained<R>(body: impl FnOnce() -> R) -> Option<R> {
    // What a panic left half done is either dropped with it or belongs to a client, which is poisoned.
    catch_unwind(AssertUnwindSafe(body)).ok()
}

/// The body of a function that looks at an object: `otherwise` for NULL.
pub(super) unsafe fn look<'a, T: 'a, R: Copy>(
    object: *const T,
    otherwise: R,
    body: impl FnOnce(&'a T) -> R,
) -> R {
    // SAFETY: the caller gives NULL or an object that lives and that nobody changes meanwhile.
    match unsafe { object.as_ref() } {
        Some(object) => contained(|| body(object)).unwrap_or(otherwise),
        None => otherwise,
    }
}

/// Hands an object over to C.
pub(super) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// The body of a function that frees an object.
pub(super) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: the caller gives what `give` gave, for the last time.
        contained(|| drop(unsafe { Box::from_raw(object) }));
    }
}

fn is_null(what: &'static str) -> CallError {
    Error::new(ErrorKind::InvalidInput, format!("{what} is NULL")).into()
}

/// An object that must be there.
pub(super) unsafe fn object<'a, T>(object: *const T, what: &'static str) -> Result<&'a T> {
    // SAFETY: the caller gives NULL or an object that lives and that nobody changes meanwhile.
    unsafe { object.as_ref() }.ok_or_else(|| is_null(what))
}

/// An object that must be there, to change it.
pub(super) unsafe fn object_mut<'a, T>(object: *mut T, what: &'static str) -> Result<&'a mut T> {
    // SAFETY: the caller gives NULL or an object that lives and that nobody else uses meanwhile.
    unsafe { object.as_mut() }.ok_or_else(|| is_null(what))
}

/// Where a number or a truth value goes. What is there before is never looked at: C does not have to have put anything
/// there.
pub(super) struct OutPlace<T>(*mut T);

impl<T> OutPlace<T> {
    /// Puts `first` there for now.
    pub(super) unsafe fn new(place: *mut T, first: T) -> Result<Self> {
        if place.is_null() {
            return Err(is_null("the place for the result"));
        }
        // SAFETY: the caller gives a place that stays one for the call.
        unsafe { place.write(first) };
        Ok(Self(place))
    }

    pub(super) fn set(self, value: T) {
        // SAFETY: it is a place, or there would be no `self`.
        unsafe { self.0.write(value) }
    }
}

/// Where an object goes. It holds NULL until there is one.
pub(super) struct Out<T>(OutPlace<*mut T>);

impl<T> Out<T> {
    pub(super) unsafe fn new(place: *mut *mut T) -> Result<Self> {
        // SAFETY: the caller gives NULL or a place for a pointer.
        unsafe { OutPlace::new(place, ptr::null_mut()) }.map(Self)
    }

    pub(super) fn set(self, object: impl Into<T>) {
        self.0.set(give(object.into()));
    }

    /// Leaves NULL for nothing.
    pub(super) fn set_if<O: Into<T>>(self, object: Option<O>) {
        if let Some(object) = object {
            self.set(object);
        }
    }
}

/// Text that must be there.
pub(super) unsafe fn text<'a>(text: *const c_char, what: &'static str) -> Result<&'a str> {
    // SAFETY: as for `optional_text`.
    unsafe { optional_text(text, what) }?.ok_or_else(|| is_null(what))
}

/// A name that is looked up: none for NULL, and for bytes that are no UTF-8, which name nothing. No error is made of
/// them, because asking for a feature takes nanoseconds.
pub(super) unsafe fn name_text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller gives NULL or text that ends with a NUL and stays as it is for the call.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }).and_then(|text| text.to_str().ok())
}

/// Text, or none for NULL.
pub(super) unsafe fn optional_text<'a>(text: *const c_char, what: &'static str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller gives text that ends with a NUL and stays as it is for the call.
    let text = unsafe { CStr::from_ptr(text) }.to_str();
    let wrong = |_| Error::new(ErrorKind::InvalidInput, format!("{what} is not UTF-8")).into();
    text.map(Some).map_err(wrong)
}

/// Items in a row: bytes, or pairs.
pub(super) unsafe fn slice<'a, T>(items: *const T, count: usize, what: &'static str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if items.is_null() {
        return Err(is_null(what));
    }
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{what} is longer than any memory")).into());
    }
    // SAFETY: the caller gives that many items that stay as they are for the call.
    Ok(unsafe { std::slice::from_raw_parts(items, count) })
}

/// Puts a number where the caller wants it. Returns whether there was one and a place for it.
pub(super) unsafe fn put<T>(value: Option<T>, place: *mut T) -> bool {
    match value {
        Some(value) if !place.is_null() => {
            // SAFETY: the caller gives a place for the number, whatever it holds.
            unsafe { place.write(value) };
            true
        }
        _ => false,
    }
}

/// The text for C. No text of this crate has a NUL inside; if one had, it would be left out.
pub(super) fn c_string(text: impl Into<String>) -> CString {
    CString::new(for_c(text.into())).unwrap_or_default()
}

/// Bytes with room for the NUL at the end, so that nothing is left behind by moving; what they were made of is wiped.
fn for_c(text: String) -> Vec<u8> {
    let text = Zeroizing::new(text);
    let mut own = Vec::with_capacity(text.len() + 1);
    own.extend(text.bytes().filter(|byte| *byte != 0));
    own
}

/// Text for C that is or holds a secret. Wiped when dropped.
pub(super) struct SecretText(Zeroizing<Vec<u8>>);

impl SecretText {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let mut own = Zeroizing::new(for_c(text.into()));
        own.push(0);
        Self(own)
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

/// A code as text, written into room for all of it: a text that grows leaves its beginnings behind.
pub(super) fn written(code: &impl Display) -> String {
    let mut text = String::with_capacity(64);
    write!(text, "{code}").expect("a text takes what is written");
    text
}

/// Text that an object lends out, made when it is first asked for. Wiped when dropped, because some of it holds
/// secrets.
#[derive(Default)]
pub(super) struct Lent(OnceLock<SecretText>);

impl Lent {
    pub(super) fn get(&self, make: impl FnOnce() -> String) -> *const c_char {
        self.0.get_or_init(|| SecretText::new(make())).as_ptr()
    }
}

/// Bytes that an object lends out, with their number; NULL and 0 for NULL and for none: an empty slice points nowhere.
pub(super) unsafe fn lend_bytes<'a, T: 'a>(
    object: *const T,
    size: *mut usize,
    body: impl FnOnce(&'a T) -> &'a [u8],
) -> *const u8 {
    // SAFETY: the caller gives NULL or an object that lives, and NULL or a place for the size.
    unsafe {
        let bytes = look(object, &[][..], body);
        put(Some(bytes.len()), size);
        if bytes.is_empty() { ptr::null() } else { bytes.as_ptr() }
    }
}

/// One of the things that an object lends out in a row; NULL beyond the last.
pub(super) unsafe fn lend_nth<'a, T: 'a, I: 'a>(
    object: *const T,
    index: usize,
    items: impl FnOnce(&'a T) -> &'a [I],
) -> *const I {
    // SAFETY: the caller gives NULL or an object that lives.
    unsafe { look(object, ptr::null(), |object| items(object).get(index).map_or(ptr::null(), ptr::from_ref)) }
}
