//! Producing and consuming.

use crate::{
    process::{Process, await_text, finish, tail},
    trouble::Trouble,
};

use super::{
    PATIENCE,
    shop::{Shop, expect, that},
};

pub(super) fn quickstart(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("TopicTest", 4)?;
    let said = it.ok("quickstart producer", "")?;
    let good = |line: &&str| {
        line.starts_with("SendResult [sendStatus=SEND_OK, msgId=")
            && line.contains(", messageQueue=MessageQueue [topic=TopicTest, brokerName=broker-0")
            && line.contains("], queueOffset=")
    };
    that(said.lines().count() == 1000 && said.lines().all(|line| good(&line)), || {
        format!("1000 send results, not {}", tail(&said, 400))
    })?;
    let said = it.ok("quickstart consumer --count 1000", "")?;
    let mut lines = said.lines();
    that(lines.next() == Some("Consumer Started."), || {
        format!("'Consumer Started.' first, not {said:.100}")
    })?;
    let received = lines
        .filter(|line| line.starts_with("ConsumeMessageThread_1 Receive New Messages: [MessageExt ["))
        .count();
    that(received == 1000, || format!("1000 messages received, not {received}"))
}

pub(super) fn produce_and_consume(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliTopic", 4)?;
    let input: String = (0..100).map(|i| format!("line {i} größe 世界\n")).collect();
    it.ok("produce CliTopic --key cli-key --tag TagX --prop color=blue --queue broker-0:2", &input)?;
    let said = it.ok("consume CliTopic --from earliest --no-follow -f %q|%o|%k|%g|%b\\n", "")?;
    let expected: String = (0..100).map(|i| format!("2|{i}|cli-key|TagX|line {i} größe 世界\n")).collect();
    that(said == expected, || format!("what was produced, in order, not {}", tail(&said, 400)))?;
    let said = it.ok("consume CliTopic --from earliest --count 1 -f %p\\n", "")?;
    that(said.contains("color") && said.contains("blue"), || format!("the property, not {said}"))
}

pub(super) fn consume_by_tag(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliTags", 1)?;
    for tag in ["A", "B", "C"] {
        it.ok(&format!("produce CliTags --tag {tag}"), &format!("body {tag}\n"))?;
    }
    let mut command = it.command("consume CliTags --from earliest --no-follow");
    command.args(["--tags", "A || C"]);
    let done = finish(&mut command, b"", PATIENCE)?;
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    lines.sort_unstable();
    expect(lines == ["body A", "body C"], "the bodies of A and C", "consume --tags", &done)?;
    let said = it.ok("consume CliTags --from 2h --no-follow", "")?;
    that(said.lines().count() == 3, || format!("all three since two hours ago, not {said}"))?;
    let said = it.ok("consume CliTags --from latest --no-follow", "")?;
    that(said.is_empty(), || format!("nothing from the end, not {said}"))
}

pub(super) fn consume_by_filter(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliFilter", 1)?;
    for size in [3, 30, 300] {
        it.ok(&format!("produce CliFilter --prop size={size}"), &format!("body {size}\n"))?;
    }
    let mut command = it.command("consume CliFilter --from earliest --no-follow");
    command.args(["--filter", "size BETWEEN 10 AND 100 OR size = 3"]);
    let done = finish(&mut command, b"", PATIENCE)?;
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    lines.sort_unstable();
    expect(lines == ["body 3", "body 30"], "the bodies of 3 and 30", "consume --filter", &done)?;
    let mut command = it.command("consume CliFilter --from earliest --no-follow");
    command.args(["--filter", "size >"]);
    let done = finish(&mut command, b"", PATIENCE)?;
    expect(
        done.code() == 1 && done.stderr.contains("byte"),
        "what is wrong and where",
        "consume --filter",
        &done,
    )
}

pub(super) fn consume_by_popping(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliPop", 4)?;
    let sent: Vec<String> = (0..100).map(|number| format!("body {number:03}")).collect();
    it.ok("produce CliPop", &(sent.join("\n") + "\n"))?;
    let pop = "consume CliPop --pop --group CliPopper --from earliest";
    let mut came: Vec<String> = Vec::new();
    // The first stops in the middle of what it got, and gives the rest back.
    for rest in ["--count 40", "--no-follow --invisible 30", "--no-follow"] {
        came.extend(it.ok(&format!("{pop} {rest}"), "")?.lines().map(str::to_owned));
    }
    came.sort_unstable();
    that(came == sent, || format!("each message once, not {} of them", came.len()))?;
    for (line, what) in [
        ("consume CliPop --pop", "--group"),
        ("consume CliPop --pop --group CliPopper --from 2h", "one of the ends"),
    ] {
        let done = finish(&mut it.command(line), b"", PATIENCE)?;
        expect(done.code() == 2 && done.stderr.contains(what), what, line, &done)?;
    }
    Ok(())
}

pub(super) fn produce_for_later(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliLater", 1)?;
    it.ok("produce CliLater --delay 2s", "later\n")?;
    it.ok("produce CliLater --at 2020-01-01", "overdue\n")?;
    let said = it.ok("consume CliLater --from earliest --no-follow", "")?;
    that(said == "overdue\n", || format!("only what is due, not {said}"))?;
    let mut lines: Vec<String> =
        it.ok("consume CliLater --from earliest --count 2", "")?.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    that(lines == ["later", "overdue"], || format!("both in the end, not {lines:?}"))?;
    for line in
        ["produce CliLater --delay soon", "produce CliLater --at 5s", "produce CliLater --at 1 --delay 1s"]
    {
        let done = it.finish(line, "x\n")?;
        expect(done.code() == 2, "exit code 2", line, &done)?;
    }
    Ok(())
}

pub(super) fn consume_follows(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliFollow", 1)?;
    it.ok("produce CliFollow", "first\n")?;
    let log = it.home.join("follow.log");
    let mut consumer =
        Process::spawn("ringmq consume", it.command("consume CliFollow --from earliest"), &log)?;
    await_text(&log, "first\n", PATIENCE)?;
    it.ok("produce CliFollow", "second\n")?;
    await_text(&log, "first\nsecond\n", PATIENCE)?;
    let code = consumer.interrupt(PATIENCE)?.code();
    that(code == Some(130), || format!("exit code 130 after an interrupt, not {code:?}"))
}
