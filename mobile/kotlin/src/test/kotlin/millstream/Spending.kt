package millstream

/** What the owner lets a wallet pay, with ticks, questions, a hold and a restart. */
fun Checks.spending(world: World) {
    val (perFile, total) = price * 10 to price * 15
    val rules = listOf(
        SpendRule(SpendScope.FILE, perFile, 86_400uL, asks = true),
        SpendRule(SpendScope.TOTAL, total, 86_400uL),
    )
    lateinit var config: CoreConfig
    val couple = Couple(world, "spending") {
        config = it.copy(spending = rules, secret = ByteArray(32) { 0x5e })
        Core(config)
    }
    val film = Purchase(file = "0x" + "f1".repeat(32))
    val book = Purchase(file = "0x" + "b0".repeat(32))
    var id: Bytes32 = NOTHING

    test("ticks are paid within the owner's rules") {
        id = couple.open()
        repeat(10) { couple.payer.wallet.pay(id, price, film, now(), 255u) }
        equal(price * 10, couple.payee.channel(id).cumulativeAmount)
        check(couple.payer.payments.any { it.ticks > 0u }) { "no payment was a tick" }
    }

    test("above a rule that asks the owner decides") {
        val payer = couple.payer
        payer.wallet.pay(id, price, film, now())
        val (question, refusal) = payer.questions.entries.single()
        equal(SpendRefusal(SpendScope.FILE, 86_400uL, true, perFile, perFile, price), refusal)
        equal(price * 10, payer.channel(id).cumulativeAmount, "before the answer")
        payer.wallet.answer(question, true, now())
        equal(price * 11, couple.payee.channel(id).cumulativeAmount)
        equal("UNKNOWN_QUESTION", codeOf { payer.wallet.answer(question, true, now()) })
    }

    test("above another one it is refused, also after a restart") {
        couple.payer.wallet.pay(id, price * 4, book, now())
        couple.payer.crash()
        couple.payer = couple.payer(Core(config), startEmpty = true)
        val payer = couple.payer
        payer.look()
        payer.wallet.resume(id, now())
        equal("SPEND_LIMIT", codeOf { payer.wallet.pay(id, price, book, now()) })
        val refusal = payer.events.filterIsInstance<Event.SpendRefused>().single().refusal
        equal(SpendRefusal(SpendScope.TOTAL, 86_400uL, false, total, total, price), refusal)
        equal(total, couple.payee.channel(id).cumulativeAmount)
    }

    test("a hold stops every payment") {
        val payer = couple.payer
        payer.wallet.hold(true, now())
        equal("SPEND_HELD", codeOf { payer.wallet.pay(id, price, film, now()) })
        payer.wallet.hold(false, now())
        payer.wallet.closeChannel(id, now())
        couple.confirm()
        equal(total, world.node.balance(couple.payeeDestination), "the payee's destination")
    }
}
