//! Histories made by hand: the first inputs of the fuzz target `machine`. Each is a name, the byte that says who the
//! parties are, and the steps: `a` for Alice's, `b` for Bob's.

pub(crate) const HISTORIES: &[(&str, u8, &str)] = &[
    ("open-pay-close", 0, "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll a Pay(1) a DeliverAll a Close a GoOn"),
    ("token-payee-closes", 0, "b Open(1) a GoOn a GoOn b Pay(400000) b DeliverAll a Close a DeliverAll b GoOn"),
    ("leave", 0, "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll a Leave a Mine a GoOn a Pass(1000) b Watch a GoOn"),
    ("payee-leaves", 0, "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll b Leave b Mine a GoOn a Pay(1) a GoOn"),
    (
        "leave-and-clear",
        0,
        "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll a Leave a GoOn b Clear b GoOn a Pay(1) a GoOn",
    ),
    (
        "top-up",
        0,
        "a Open(0) a GoOn a GoOn a TopUp(500000) a DeliverAll b DeliverAll a GoOn a Pay(400000) a DeliverAll a GoOn",
    ),
    (
        "top-up-and-close",
        0,
        "a Open(0) a GoOn a GoOn a TopUp(1) a DeliverAll b DeliverAll a Close a DeliverAll a MineOwn b DeliverAll",
    ),
    (
        "withdraw",
        0,
        "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll a Withdraw(400000) a GoOn a GoOn a Select a Pay(1) a GoOn",
    ),
    (
        "payee-withdraws",
        0,
        "a Open(0) a GoOn a GoOn a Pay(400000) a DeliverAll b Withdraw(1) a GoOn b Select b Withdraw(1) a GoOn",
    ),
    (
        "withdraw-and-reorg",
        0,
        "a Open(0) a GoOn a GoOn a Withdraw(1) a GoOn a GoOn a Reorg(6) a Watch b Watch a Select a Pay(1) a GoOn",
    ),
    ("withdraw-cut-short", 0, "a Open(0) a GoOn a GoOn a Withdraw(1) a DeliverAll b DropFirst a Close a GoOn"),
    (
        "fold-give-back",
        0,
        "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll a Fold a GoOn b GiveBack(1) b GoOn b Fold a GoOn",
    ),
    ("snapshot", 0, "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll b Snapshot b GoOn a Leave a GoOn a GoOn"),
    (
        "ledger",
        0,
        "a Open(2) a GoOn a GoOn a Pay(1) a Pay(1000) b DropFirst a DeliverAll b Pay(1000) b GoOn a Resume a GoOn",
    ),
    (
        "ledger-queue",
        0,
        "b Open(4) a GoOn a GoOn b Pay(1) b Pay(1) b Pay(1000) b Reverse b DeliverAll a DeliverAll b Resume a GoOn",
    ),
    ("reserve", 0, "a Open(3) a GoOn a GoOn a GoOn a Pay(400000) a DeliverAll b GiveBack(1000) b GoOn a Close a GoOn"),
    (
        "both-deposit",
        0,
        "a Open(5) a DeliverAll b DeliverAll b MineOwn a Watch b Watch a Reorg(6) a Watch b Watch a GoOn a GoOn",
    ),
    ("lost-accept", 0, "a Open(0) a DeliverAll b DropFirst a Resume a DeliverAll b DeliverAll a GoOn a GoOn"),
    ("abort", 0, "a Open(0) a DeliverAll b Abort b DeliverAll a GoOn a GoOn a Resume a GoOn"),
    ("abort-while-stalled", 0, "a Open(0) a DeliverAll b Stall b Abort b Resume b StoreAll a GoOn"),
    (
        "commit-fails",
        0,
        "a Open(0) a GoOn a GoOn a FailCommit a Pay(1) a Pay(1000) a DeliverAll b FailCommit a Pay(1) a DeliverAll a GoOn",
    ),
    (
        "commit-stalls",
        0,
        "a Open(0) a GoOn a GoOn a Stall a Pay(1) a Pay(1000) a Fold a StoreOne a FailCommit a StoreAll a DeliverAll a GoOn",
    ),
    (
        "crash",
        0,
        "a Open(0) a GoOn a GoOn a Stall a Pay(1) a Pay(1000) a Crash(1) a Resume a GoOn a Pay(1) a GoOn b Crash(0) a GoOn",
    ),
    (
        "crash-while-closing",
        0,
        "a Open(0) a GoOn a GoOn a Pay(1000) a DeliverAll b Stall a Close a DeliverAll b Crash(0) a Resume a GoOn",
    ),
    (
        "lease",
        0x01,
        "a Open(0) a GoOn a GoOn a Pay(1) a Pay(1) a Pay(1) a DeliverAll a Crash(0) a Resume a GoOn a Pay(1) a GoOn",
    ),
    (
        "lease-both-forget",
        0x09,
        "a Open(0) a GoOn a GoOn a Pay(1000) a DropFirst a Pay(1) a Crash(0) b Crash(0) b Resume a GoOn a Close a GoOn",
    ),
    (
        "outside",
        0x12,
        "a Open(0) a Sign a Sign a DeliverAll b Sign b Sign b GoOn a GoOn a Pay(1) a Sign a DeliverAll a Close a GoOn",
    ),
    (
        "outside-refuses",
        0x02,
        "a Open(0) a GoOn a GoOn a Pay(1) a RefuseToSign a Fold a RefuseToSign a Pay(1000) a Sign a DeliverAll a GoOn",
    ),
    (
        "outside-crashes",
        0x02,
        "a Open(0) a GoOn a GoOn a Pay(1) a Crash(1) a Resume a Sign a DeliverAll a Close a Crash(0) a Resume a GoOn",
    ),
    (
        "small-memory",
        0x24,
        "a Open(0) b Open(1) a Open(2) a GoOn a GoOn a Pay(1) a Select a Select a Pay(1000) b Pay(1) a GoOn b Select b Close a GoOn",
    ),
    (
        "duplicates",
        0,
        "a Open(0) a Duplicate a DeliverAll b Duplicate b DeliverAll a GoOn a GoOn a Pay(1) a Duplicate a DeliverAll a Close a Duplicate a GoOn",
    ),
    (
        "out-of-order",
        0,
        "a Open(0) a GoOn a GoOn a Pay(1) a Pay(1000) a Fold a Reverse a DeliverLast a DeliverAll a GoOn",
    ),
    (
        "reorgs",
        0,
        "a Open(0) a GoOn a Reorg(1) a Mine a Reorg(2) a Watch b Watch a GoOn a Pay(1) a GoOn a Leave a GoOn a Reorg(6) a GoOn",
    ),
    (
        "dropped-transactions",
        0,
        "a Open(1) a DeliverAll b DeliverAll a DropTransaction a Mine a Resume a DropTransaction a Resume a Mine a GoOn a GoOn",
    ),
    ("pings", 0, "a Open(0) a GoOn a GoOn a Ping a DeliverAll b DropFirst b Ping b GoOn"),
    (
        "time",
        0,
        "a Open(0) a DeliverAll a Pass(1000) a Tick b Tick a Pass(1000) a Tick b Tick b DeliverAll a GoOn a GoOn",
    ),
];
