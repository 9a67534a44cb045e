//! One request and its response, with what is known so far.

use std::any::{Any, TypeId};
use std::fmt;

use crate::{Connection, Reject, RequestHead, RequestId, Secret};

/// A fact that travels in an [`Exchange`]: a type of its own, written once, by the one filter that declares it.
///
/// ```
/// struct Country(&'static str);
/// impl pooler_filter::Slot for Country {
///     const NAME: &'static str = "geo_fence.country";
/// }
/// ```
pub trait Slot: Any + Send + Sync {
    /// The name in contracts and messages; a third party prefixes its own.
    const NAME: &'static str;
}

struct Entry {
    id: TypeId,
    name: &'static str,
    value: Box<dyn Any + Send + Sync>,
}

/// Why a slot could not be read or written: a mistake in a filter, never one of a client.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// Written twice.
    #[error("slot `{0}` is already written")]
    Taken(&'static str),
    /// Read before it was written.
    #[error("slot `{0}` is empty")]
    Empty(&'static str),
    /// Written by a filter whose contract does not say so.
    #[error("filter `{filter}` does not declare that it provides slot `{slot}`")]
    Undeclared {
        /// The filter.
        filter: &'static str,
        /// The slot.
        slot: &'static str,
    },
}

/// Who is at work on the exchange now: the host, or a filter with the slots that it may write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) filter: &'static str,
    pub(crate) provides: &'static [&'static str],
    pub(crate) credential: bool,
}

/// One request and its response, from the first byte to the last.
pub struct Exchange {
    id: RequestId,
    head: RequestHead,
    connection: Connection,
    credential: Option<Secret>,
    slots: Vec<Entry>,
    writer: Option<Writer>,
}

impl Exchange {
    /// A new exchange. The credential must not stand in the head any more.
    #[must_use]
    pub fn new(id: RequestId, head: RequestHead, connection: Connection, credential: Option<Secret>) -> Self {
        Self { id, head, connection, credential, slots: Vec::with_capacity(12), writer: None }
    }

    /// The id that the client gets as `x-request-id`.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// The request as it arrived.
    #[must_use]
    pub const fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Where it came from.
    #[must_use]
    pub const fn connection(&self) -> Connection {
        self.connection
    }

    /// Takes the client's credential (the whole value of `authorization`): once, and only a filter whose contract asks for it gets it.
    pub fn take_credential(&mut self) -> Option<Secret> {
        self.writer.is_none_or(|w| w.credential).then(|| self.credential.take()).flatten()
    }

    /// The fact, if it is known.
    #[must_use]
    pub fn get<S: Slot>(&self) -> Option<&S> {
        let id = TypeId::of::<S>();
        self.slots.iter().find(|e| e.id == id).and_then(|e| e.value.downcast_ref())
    }

    /// The fact, which a filter may expect to be there when its contract requires it.
    pub fn require<S: Slot>(&self) -> Result<&S, Reject> {
        self.get().ok_or_else(|| Reject::internal(SlotError::Empty(S::NAME)))
    }

    /// Writes a fact: once, and only if the contract of the filter at work says that it provides it.
    pub fn put<S: Slot>(&mut self, fact: S) -> Result<(), Reject> {
        if let Some(writer) = self.writer
            && !writer.provides.contains(&S::NAME)
        {
            return Err(Reject::internal(SlotError::Undeclared { filter: writer.filter, slot: S::NAME }));
        }
        if self.get::<S>().is_some() {
            return Err(Reject::internal(SlotError::Taken(S::NAME)));
        }
        self.slots.push(Entry { id: TypeId::of::<S>(), name: S::NAME, value: Box::new(fact) });
        Ok(())
    }

    pub(crate) const fn set_writer(&mut self, writer: Option<Writer>) {
        self.writer = writer;
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots: Vec<&str> = self.slots.iter().map(|e| e.name).collect();
        f.debug_struct("Exchange").field("id", &self.id).field("path", &self.head.path).field("slots", &slots).finish()
    }
}
