//! The 11 header variants of operations.md 1.1, limits, and both codecs against each other.

use net::header::{EXT_FIELDS_MAX, JSON_DEPTH_MAX};
use net::requests::{GetRouteinfoByTopic, ROWS, SendMessageV2};
use net::{Codec, Header, HeaderError, Language, Request, RequestError, Scratch};

type Pairs = Vec<(String, String)>;
/// Code, version, language, remark, ext fields.
type Decoded = (i32, i32, Language, Option<String>, Pairs);

fn json(text: &str) -> Result<Decoded, HeaderError> {
    let mut scratch = Scratch::default();
    let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch)?;
    let ext = header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Ok((header.code, header.version, header.language, header.remark.map(str::to_owned), ext))
}

fn fields(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_variant_of_a_route_request_decodes_as_java_would() {
    let topic = fields(&[("topic", "T")]);
    type Case<'a> = (&'a str, Language, i32, Option<&'a str>, Pairs);
    let cases: [Case<'_>; 11] = [
        (
            r#"{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"GO","opaque":3,"remark":"r","serializeTypeCurrentRPC":"JSON","version":317}"#,
            Language::Go,
            317,
            Some("r"),
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"CPP","opaque":3,"serializeTypeCurrentRPC":"JSON","version":1}"#,
            Language::Cpp,
            1,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"x":[{"y":[1,"\"]"]},null],"extFields":{"topic":"T"},"flag":0,"language":"JAVA","opaque":3,"version":2}"#,
            Language::Java,
            2,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"CPP","opaque":3,"version":333}"#,
            Language::Cpp,
            333,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":"T"},"flag":0,"opaque":3,"version":333}"#,
            Language::Java,
            333,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":"T"},"language":"NODEJS","opaque":3,"version":1}"#,
            Language::Other,
            1,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":"T"},"language":"FOO","opaque":3,"version":1}"#,
            Language::Other,
            1,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":"T"},"language":"JAVA","opaque":3}"#,
            Language::Java,
            0,
            None,
            topic.clone(),
        ),
        (
            r#"{"code":105,"extFields":{"topic":7},"language":9,"opaque":3}"#,
            Language::Go,
            0,
            None,
            fields(&[("topic", "7")]),
        ),
        (r#"{"code":105,"extFields":{"topic":null},"opaque":3}"#, Language::Java, 0, None, vec![]),
        (
            r#" { "code" : "105" , "extFields" : { "topic" : true } , "opaque" : 3 , "language" : "go" } "#,
            Language::Go,
            0,
            None,
            fields(&[("topic", "true")]),
        ),
    ];
    for (at, (text, language, version, remark, ext)) in cases.into_iter().enumerate() {
        let expected = (105, version, language, remark.map(str::to_owned), ext);
        assert_eq!(json(text), Ok(expected), "variant {}", at + 1);
    }
}

#[test]
fn escapes_are_undone_and_only_they_leave_the_frame() {
    let text = r#"{"code":1,"extFields":{"p":"KEYS\u0001a b\u0002T\u00e4g\u0001\ud83d\ude00\u0002","q\"":"\\\/\b\f\n\r\t","lone":"\ud800x","plain":"é"}}"#;
    let ext = json(text).unwrap().4;
    assert_eq!(
        ext,
        fields(&[
            ("p", "KEYS\u{1}a b\u{2}Täg\u{1}😀\u{2}"),
            ("q\"", "\\/\u{8}\u{c}\n\r\t"),
            ("lone", "\u{fffd}x"),
            ("plain", "é"),
        ])
    );
}

#[test]
fn bad_utf8_is_replaced_and_the_request_still_decodes() {
    let mut scratch = Scratch::default();
    let bytes = b"{\"code\":105,\"extFields\":{\"topic\":\"T\xff\"}}";
    let header = Header::decode(Codec::Json, bytes, &mut scratch).unwrap();
    assert_eq!(header.ext.get("topic"), Some("T\u{fffd}"));
}

#[test]
fn the_field_limit_holds_at_the_limit_and_one_above() {
    let with = |count: usize| {
        let list: Vec<String> = (0..count).map(|n| format!("\"k{n}\":\"v\"")).collect();
        json(&format!("{{\"extFields\":{{{}}}}}", list.join(",")))
    };
    assert_eq!(with(EXT_FIELDS_MAX).unwrap().4.len(), EXT_FIELDS_MAX);
    assert_eq!(with(EXT_FIELDS_MAX + 1), Err(HeaderError::TooManyFields { limit: EXT_FIELDS_MAX }));
}

#[test]
fn the_depth_limit_holds_at_the_limit_and_one_above() {
    let with = |depth: usize| json(&format!("{{\"x\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)));
    assert!(with(JSON_DEPTH_MAX).is_ok());
    assert_eq!(with(JSON_DEPTH_MAX + 1), Err(HeaderError::TooDeep { limit: JSON_DEPTH_MAX }));
}

#[test]
fn what_is_no_header_is_refused() {
    for text in [
        "",
        "[]",
        "{",
        "{\"code\":1",
        "{\"code\":1}x",
        "{code:1}",
        "{\"code\":}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12",
    ] {
        assert!(matches!(json(text), Err(HeaderError::Syntax { .. })), "{text}: {:?}", json(text));
    }
    assert_eq!(json("{\"code\":\"x\"}"), Err(HeaderError::NotANumber { member: "code" }));
    assert_eq!(json("{\"opaque\":4294967296}"), Err(HeaderError::NotANumber { member: "opaque" }));
}

#[test]
fn a_cpp_send_with_bare_numbers_decodes() {
    let text = r#"{"code":310,"extFields":{"a":"g","b":"T","c":"TBW102","d":4,"e":0,"f":0,"g":"1700000000000","h":0,"i":"TAGS\u0001a","j":"0","k":"false","l":16,"m":"false","AccessKey":""},"flag":0,"language":"CPP","opaque":7,"remark":"","version":333}"#;
    let mut scratch = Scratch::default();
    let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
    let Ok(Request::SendMessageV2(send)) = Request::decode(&header) else { panic!("not a send") };
    assert_eq!(
        send,
        SendMessageV2 {
            producer_group: "g",
            topic: "T",
            default_topic: "TBW102",
            default_queues: 4,
            queue_id: 0,
            sys_flag: 0,
            born_at_ms: 1_700_000_000_000,
            flag: 0,
            properties: Some("TAGS\u{1}a"),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: Some(16),
            batch: Some(false),
            broker_name: None,
        }
    );
}

#[test]
fn a_bad_or_missing_field_is_named() {
    let refuse = |ext: &str| {
        let text = format!("{{\"code\":31,\"extFields\":{ext}}}");
        let mut scratch = Scratch::default();
        let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
        Request::decode(&header).unwrap_err().to_string()
    };
    assert_eq!(refuse("{\"topic\":\"T\"}"), "GET_MIN_OFFSET: the required field queueId is missing");
    assert_eq!(
        refuse("{\"topic\":\"T\",\"queueId\":\"x\"}"),
        "GET_MIN_OFFSET: the field queueId is \"x\", not a 32 bit number"
    );
}

#[test]
fn an_unknown_code_is_told_apart_from_a_bad_request() {
    let mut scratch = Scratch::default();
    let header = Header::decode(Codec::Json, b"{\"code\":4711}", &mut scratch).unwrap();
    let error = Request::decode(&header).unwrap_err();
    assert_eq!(error, RequestError::UnknownCode { code: 4711 });
    assert_eq!(error.to_string(), " request type 4711 not supported");
}

#[test]
fn an_empty_optional_field_is_absent_and_an_empty_required_text_stays() {
    let text = r#"{"code":105,"extFields":{"topic":"","acceptStandardJsonOnly":"","__ZONE_NAME":""}}"#;
    let mut scratch = Scratch::default();
    let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
    let route =
        GetRouteinfoByTopic { topic: "", accept_standard_json_only: None, zone_name: None, zone_mode: None };
    assert_eq!(Request::decode(&header), Ok(Request::GetRouteinfoByTopic(route)));
}

#[test]
fn the_codes_of_pops_are_known_in_the_codec_that_cuts_them() {
    for code in [200_050_i32, 200_051, 200_055, 200_079, 200_151] {
        let mut header = Vec::from(u16::try_from(code & 0xffff).unwrap().to_be_bytes());
        header.extend([0, 1, 0xed, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut scratch = Scratch::default();
        let decoded = Header::decode(Codec::Binary, &header, &mut scratch).unwrap();
        assert_eq!((decoded.code, decoded.opaque), (code, 7));
    }
    assert!(ROWS.iter().all(|row| !(3_442..=3_471).contains(&row.code.0) && row.code.0 != 3_543));
}
