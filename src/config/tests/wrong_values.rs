//! Wrong keys, kinds and values outside of the cameras.

use super::*;

#[test]
fn unknown_keys_with_what_was_meant() {
    snapshot!(
        "unknown_keys",
        report(
            "nod = \"a\"\nsensitivity = 0.5\ncolour = \"red\"\n[mqt]\nurl = \"mqtt://b\"\n[gate]\n[mqtt]\nurl = \"mqtt://b\"\n\
             pasword_file = \"/x\"\n[[camera]]\nid = \"a\"\nurl = \"test://\"\nframes = 5\n[camera.gate]\nsensitvity = 0.5\n\
             [[camera.rule]]\nid = \"x\"\nask = \"Is it?\"\nquestion = \"Is it?\"\n[[cameras]]\n"
        )
    );
}

#[test]
fn wrong_kinds() {
    snapshot!(
        "wrong_types",
        report_with_camera(
            "node = 5\nstop_timeout = 5\n[mqtt]\nurl = [\"mqtt://b\"]\nverify = \"no\"\nkeep_alive = 30.5\n\
             [outbox]\nmax_size = 1000000\n[model]\nprovider = 1\nthreads = \"4\"\nmax_tokens = 4.5\nbudget = 30\n"
        )
    );
}

#[test]
fn wrong_tables() {
    snapshot!("wrong_tables", report("mqtt = \"mqtt://b\"\n[[model]]\n[camera]\nid = \"a\"\n"));
    snapshot!("wrong_tables_below", report_camera("gate = true\n[camera.rule]\nid = \"x\"\n"));
}

#[test]
fn out_of_range() {
    snapshot!(
        "out_of_range",
        report_with_camera(
            "stop_timeout = \"1h\"\n[mqtt]\nurl = \"mqtt://b\"\nkeep_alive = \"1s\"\n[outbox]\nmax_size = \"1B\"\nmax_age = \"0s\"\n\
             [model]\nthreads = -1\nmax_tokens = 99999999999999999999\ndeadline = \"0s\"\nbudget = \"0/min\"\nshare = 0\n"
        )
    );
}

#[test]
fn quantities_that_are_none() {
    snapshot!(
        "quantities",
        report_with_camera(
            "stop_timeout = \"5 parsecs\"\n[outbox]\nmax_size = \"64\"\n[model]\nbudget = \"often\"\ndeadline = \"${HUNTER}\"\n\
             [http]\nlisten = \"localhost\"\n[log]\nfilter = \"eyewitness=loud\"\nformat = \"jornal\"\n"
        )
    );
}

#[test]
fn choices_and_ids() {
    snapshot!(
        "choices_and_ids",
        report_with_camera(
            "node = \"Garage Box\"\n[model]\nprovider = \"gpu\"\nprecision = \"int4\"\nprompt = \" \"\npath = \"\"\n"
        )
    );
}

#[test]
fn broker_addresses() {
    for (name, url) in [
        ("broker_without_scheme", "broker.lan:1883"),
        ("broker_wrong_scheme", "tcp://broker.lan"),
        ("broker_credentials", "mqtt://me:hunter2@broker.lan"),
        ("broker_path", "mqtt://broker.lan/topic"),
        ("broker_no_host", "mqtt://"),
        ("broker_port", "mqtt://broker.lan:99999"),
    ] {
        snapshot!(name, report_with_camera(&format!("[mqtt]\nurl = \"{url}\"\n")));
    }
}

#[test]
fn a_wrong_second_broker() {
    let text = "[mqtt]\nurl = \"mqtt://b\"\nfallback_url = \"mqtt://me:hunter2@spare.lan\"\n";
    snapshot!("second_broker_credentials", report_with_camera(text));
}

#[test]
fn a_broker_table_without_address() {
    snapshot!("broker_missing_url", report_with_camera("[mqtt]\nprefix = \"eyes/#\"\npassword = \"hunter2\"\n"));
}

#[test]
fn wrong_pictures_and_prefixes() {
    let broker = "[mqtt]\nurl = \"mqtt://b\"\n";
    for (name, keys) in [
        ("snapshots", "snapshots = \"always\"\nsnapshot_width = 63\nsnapshot_quality = 101\n"),
        ("discovery_prefix", "home_assistant_prefix = \"home/+\"\nresponse_prefix = \"/answers\"\n"),
        ("answers_among_our_own", "response_prefix = \"eyewitness/garage\"\n"),
        ("answers_among_discovery", "home_assistant_prefix = \"house/ha\"\nresponse_prefix = \"house\"\n"),
    ] {
        snapshot!(name, report_with_camera(&format!("{broker}{keys}")));
    }
}

#[test]
fn files_for_tls() {
    snapshot!(
        "tls_files",
        report_with_camera("[mqtt]\nurl = \"mqtts://b\"\nca_file = \"/nowhere/ca.pem\"\nclient_cert_file = \"/\"\n")
    );
    snapshot!(
        "tls_without_tls",
        report_with_camera("[mqtt]\nurl = \"mqtt://b\"\nverify = false\nca_file = \"/nowhere/ca.pem\"\n")
    );
}

#[test]
fn variables_that_are_not_set() {
    snapshot!(
        "environment",
        report_with_camera(
            "node = \"${NODE}-${BOX}\"\n[mqtt]\nurl = \"mqtt://${BROKER\"\nusername = \"${EMPTY}\"\n[model]\nprompt = \"${not a name}\"\n"
        )
    );
}

#[test]
fn probes() {
    snapshot!(
        "probes",
        report_with_camera(
            "[[probe]]\nname = \"Park Bench\"\nask = \"Is there a bench?\"\nwords = [\"bench\"]\n\
             [[probe]]\nname = \"bench\"\nask = \"\"\nwords = [\"bench\"]\n\
             [[probe]]\nname = \"bench\"\nask = \"Is there a bench?\"\nwords = []\nbound = 1\n\
             [[probe]]\nname = \"ball\"\nask = \"Is there a ball?\"\nwords = [\"ball\", 7]\nexcept = \"ball room\"\n\
             [[probe]]\nname = \"ball\"\nask = \"Is there a ball?\"\nwords = [\"a.b\"]\n\
             [[probe]]\nname = \"dog\"\nask = \"Is there a dog?\"\nwords = [\"dog\"]\n\
             [[probe]]\nname = \"dog\"\nask = \"Is there a dog?\"\nwords = [\"hound\"]\n[[probe]]\n[model]\ncheck = \"yes\"\n"
        )
    );
    let many = "[[probe]]\nname = \"n\"\nask = \"Is it?\"\nwords = [\"w\"]\n";
    let many: String = (0..33).map(|n| many.replace("\"n\"", &format!("\"n{n}\""))).collect();
    snapshot!("most_probes", report_with_camera(&many));
}
