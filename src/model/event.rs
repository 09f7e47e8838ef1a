//! Log events, column by column: what formats write and features read.

/// As what a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKind {
    /// A number; anything else is absent.
    Number,
    /// Text as it stands.
    Keyword,
}

/// The fields a job reads, each with a column in every [`EventBatch`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    requests: Vec<(String, FieldKind)>,
}

impl Fields {
    /// Column of a field, added when it is not there yet.
    pub fn request(&mut self, name: &str, kind: FieldKind) -> usize {
        if let Some(i) = self.column(name, kind) {
            return i;
        }
        self.requests.push((name.to_owned(), kind));
        self.requests.len() - 1
    }

    /// Column of a field, if it was requested.
    pub fn column(&self, name: &str, kind: FieldKind) -> Option<usize> {
        self.requests.iter().position(|(n, k)| n == name && *k == kind)
    }

    /// All fields, in the order of their columns.
    pub fn iter(&self) -> impl Iterator<Item = (&str, FieldKind)> {
        self.requests.iter().map(|(n, k)| (n.as_str(), *k))
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// True when no field was requested.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

/// A batch of log events: one time each and one column per requested field.
///
/// A reader calls [`EventBatch::set_number`], [`EventBatch::set_keyword`] for the fields it found and then
/// [`EventBatch::push`]; what it did not set is absent. [`EventBatch::discard`] forgets what was set since the last push.
#[derive(Debug, Clone, Default)]
pub struct EventBatch {
    /// Time of each event, milliseconds of the epoch.
    pub time_ms: Vec<i64>,
    columns: Vec<EventColumn>,
}

/// One field of a batch.
#[derive(Debug, Clone)]
pub enum EventColumn {
    /// Numbers, `NaN` = absent.
    Number(Vec<f64>),
    /// Text.
    Keyword(KeywordColumn),
}

/// Text values packed in one buffer.
#[derive(Debug, Clone, Default)]
pub struct KeywordColumn {
    bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
}

const ABSENT: (u32, u32) = (u32::MAX, 0);

impl KeywordColumn {
    /// Value of event `i`, or `None` when absent.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        let &(start, len) = self.spans.get(i)?;
        if start == u32::MAX {
            return None;
        }
        self.bytes.get(start as usize..start as usize + len as usize)
    }
}

impl EventBatch {
    /// An empty batch for these fields.
    pub fn new(fields: &Fields) -> Self {
        let columns = fields
            .iter()
            .map(|(_, kind)| match kind {
                FieldKind::Number => EventColumn::Number(Vec::new()),
                FieldKind::Keyword => EventColumn::Keyword(KeywordColumn::default()),
            })
            .collect();
        Self { time_ms: Vec::new(), columns }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.time_ms.len()
    }

    /// True when there is no event.
    pub fn is_empty(&self) -> bool {
        self.time_ms.is_empty()
    }

    /// Bytes of text held: a reader starts a new batch before this nears 4 GiB.
    pub fn text_bytes(&self) -> usize {
        self.columns.iter().map(|c| if let EventColumn::Keyword(k) = c { k.bytes.len() } else { 0 }).sum()
    }

    /// Numbers of a column; empty for a column of another kind.
    pub fn numbers(&self, column: usize) -> &[f64] {
        match self.columns.get(column) {
            Some(EventColumn::Number(v)) => v,
            _ => &[],
        }
    }

    /// Text of a column, if it is one.
    pub fn keywords(&self, column: usize) -> Option<&KeywordColumn> {
        match self.columns.get(column) {
            Some(EventColumn::Keyword(k)) => Some(k),
            _ => None,
        }
    }

    /// True when an event has a value in this column.
    pub fn has_any(&self, column: usize) -> bool {
        match self.columns.get(column) {
            Some(EventColumn::Number(v)) => v.iter().any(|x| !x.is_nan()),
            Some(EventColumn::Keyword(k)) => k.spans.iter().any(|s| *s != ABSENT),
            None => false,
        }
    }

    /// Sets a number of the event in the making.
    #[inline]
    pub fn set_number(&mut self, column: usize, value: f64) {
        let n = self.time_ms.len();
        if let Some(EventColumn::Number(v)) = self.columns.get_mut(column) {
            v.truncate(n);
            v.push(value);
        }
    }

    /// Sets a text of the event in the making (a second call replaces the first).
    #[inline]
    pub fn set_keyword(&mut self, column: usize, value: &[u8]) {
        let n = self.time_ms.len();
        if let Some(EventColumn::Keyword(k)) = self.columns.get_mut(column) {
            k.spans.truncate(n);
            let (start, len) = (k.bytes.len(), value.len());
            if start.saturating_add(len) < u32::MAX as usize {
                k.bytes.extend_from_slice(value);
                k.spans.push((start as u32, len as u32));
            } else {
                k.spans.push(ABSENT);
            }
        }
    }

    /// Ends the event in the making.
    #[inline]
    pub fn push(&mut self, time_ms: i64) {
        let n = self.time_ms.len();
        for c in &mut self.columns {
            match c {
                EventColumn::Number(v) if v.len() == n => v.push(f64::NAN),
                EventColumn::Keyword(k) if k.spans.len() == n => k.spans.push(ABSENT),
                _ => {}
            }
        }
        self.time_ms.push(time_ms);
    }

    /// Forgets what was set since the last [`EventBatch::push`].
    pub fn discard(&mut self) {
        let n = self.time_ms.len();
        for c in &mut self.columns {
            match c {
                EventColumn::Number(v) => v.truncate(n),
                EventColumn::Keyword(k) => k.spans.truncate(n),
            }
        }
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.time_ms.clear();
        for c in &mut self.columns {
            match c {
                EventColumn::Number(v) => v.clear(),
                EventColumn::Keyword(k) => {
                    k.bytes.clear();
                    k.spans.clear();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_absent_and_discard_forgets() {
        let mut fields = Fields::default();
        let (n, k) = (fields.request("size", FieldKind::Number), fields.request("path", FieldKind::Keyword));
        assert_eq!(fields.request("size", FieldKind::Number), n);
        let mut b = EventBatch::new(&fields);
        b.set_number(n, 5.0);
        b.push(1);
        b.set_keyword(k, b"/lost");
        b.discard();
        b.set_keyword(k, b"/x");
        b.set_keyword(k, b"/y");
        b.push(2);
        assert_eq!((b.len(), b.numbers(n)[0]), (2, 5.0));
        assert!(b.has_any(n) && b.has_any(k) && !b.has_any(2));
        assert!(b.numbers(n)[1].is_nan());
        let paths = b.keywords(k).map(|c| (c.get(0).map(<[u8]>::to_vec), c.get(1).map(<[u8]>::to_vec)));
        assert_eq!(paths, Some((None, Some(b"/y".to_vec()))));
        b.clear();
        assert!(b.is_empty() && b.numbers(n).is_empty());
        b.push(3);
        assert!(!b.has_any(n) && !b.has_any(k));
    }
}
