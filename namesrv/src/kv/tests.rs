use super::*;

#[test]
fn the_file_of_a_java_name_server_is_read() {
    let text = "{\n\t\"configTable\":{\n\t\t\"ORDER_TOPIC_CONFIG\":{\n\t\t\t\"T\":\"broker-a:4;broker-b:4\"\n\t\t}\n\t}\n}";
    let table = KvTable::from_json(text.as_bytes()).unwrap();
    assert_eq!(table.value(ORDER_TOPIC_CONFIG, "T"), Some("broker-a:4;broker-b:4"));
    assert_eq!(KvTable::from_json(&table.to_json()).unwrap(), table);
    assert_eq!(KvTable::from_json(b"{}").unwrap(), KvTable::default());
}

#[test]
fn a_deleted_key_leaves_its_namespace() {
    let mut table = KvTable::default();
    let (namespace, key) = ("n".to_owned(), "k".to_owned());
    table.apply(&Change::Delete { namespace: namespace.clone(), key: key.clone() });
    assert_eq!(table.namespace("n"), None);
    table.apply(&Change::Put { namespace: namespace.clone(), key: key.clone(), value: "v".to_owned() });
    assert_eq!(table.value("n", "k"), Some("v"));
    table.apply(&Change::Delete { namespace, key });
    assert_eq!(table.namespace("n"), Some(&Namespace::new()));
}
