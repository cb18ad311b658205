//! A stored message as a pull answers it, read apart from `store` on purpose (spec: remoting 3.10).

/// What the checkers compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) queue_id: i32,
    pub(crate) queue_offset: i64,
    pub(crate) body: Vec<u8>,
    pub(crate) properties: String,
}

/// Reads all records of a pull's body; `None` if they do not fill it exactly.
pub(crate) fn parse(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes(bytes.get(0..4)?.try_into().ok()?) as usize;
        let (record, rest) = bytes.split_at_checked(size)?;
        records.push(one(record)?);
        bytes = rest;
    }
    Some(records)
}

fn one(record: &[u8]) -> Option<Record> {
    let mut at = Cursor { bytes: record, at: 4 };
    at.skip(8)?; // magic, body CRC
    let queue_id = at.i32()?;
    at.skip(4)?; // flag
    let queue_offset = at.i64()?;
    at.skip(8)?; // physical offset
    let sys_flag = at.i32()?;
    let (born_v6, stored_v6) = (sys_flag & 0x10 != 0, sys_flag & 0x20 != 0);
    at.skip(8 + if born_v6 { 20 } else { 8 })?;
    at.skip(8 + if stored_v6 { 20 } else { 8 })?;
    at.skip(4 + 8)?; // reconsume times, prepared transaction offset
    let body_bytes = usize::try_from(at.i32()?).ok()?;
    let body = at.take(body_bytes)?.to_vec();
    let topic_bytes = usize::from(*at.take(1)?.first()?);
    at.skip(topic_bytes)?;
    let properties_bytes = u16::from_be_bytes(at.take(2)?.try_into().ok()?);
    let properties = String::from_utf8(at.take(usize::from(properties_bytes))?.to_vec()).ok()?;
    (at.at == record.len()).then_some(Record { queue_id, queue_offset, body, properties })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.take(len).map(|_| ())
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of a Java 5.5.0 broker to a pull of a 5.5.0 client, without frame and header.
    fn captured() -> Vec<u8> {
        let frame: &[u8] =
            include_bytes!("../../../net/tests/fixtures/captured/java-5.5.0-json/11-0-1.response");
        let header = u32::from_be_bytes(frame[4..8].try_into().unwrap()) as usize & 0x00ff_ffff;
        frame[8 + header..].to_vec()
    }

    #[test]
    fn records_of_a_java_broker_are_read() {
        let records = parse(&captured()).unwrap();
        assert!(!records.is_empty());
        assert!(records.windows(2).all(|pair| pair[0].queue_offset + 1 == pair[1].queue_offset));
        assert!(records.iter().all(|record| record.properties.contains("UNIQ_KEY")));
    }

    #[test]
    fn a_cut_record_is_refused() {
        let bytes = captured();
        assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
    }
}
