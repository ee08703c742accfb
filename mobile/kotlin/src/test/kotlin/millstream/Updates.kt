package millstream

import java.math.BigInteger

/** A channel that gets more money, and gives some back while it goes on. */
fun Checks.updates(world: World) {
    val couple = Couple(world, "updating")
    val (payer, payee) = couple.payer to couple.payee
    val (more, out, earned) = listOf(price * 50, price * 30, price * 4)
    var id: Bytes32 = NOTHING

    test("a top up is signed by both, then deposited") {
        id = couple.open()
        payer.wallet.pay(id, price * 10, Purchase(), now())
        payer.wallet.topUp(id, more, now())
        val balances = Balances(deposit + more - price * 10, price * 10)
        for (party in listOf(payer, payee)) {
            equal(balances, party.events.filterIsInstance<Event.Updated>().single().balances)
            equal(balances, party.channel(id).balances)
        }
        equal(deposit, payer.channel(id).holdings, "before the deposit is deep enough")
        couple.confirm()
        equal(deposit + more, payer.channel(id).holdings)
        equal(deposit + more, payee.channel(id).holdings)
        equal(deposit + more - price * 10, payer.channel(id).remaining)
        equal(-(deposit + more), couple.gain(world.payerAccount), "the payer's account")
        equal(listOf(TransactionKind.DEPOSIT, TransactionKind.DEPOSIT), payer.asked)
    }

    /** Waits for a withdrawal from the channel, and goes on with its successor. */
    fun goOn() {
        val successor = checkNotNull(payer.channel(id).successor)
        equal(ChannelStatus.WITHDRAWING, payer.channel(id).status)
        equal(listOf(id, successor), payer.store.commits.first { successor in it }, "stored at once")
        couple.confirm()
        for (party in listOf(payer, payee)) {
            equal(Event.Succeeded(id, successor), party.events.filterIsInstance<Event.Succeeded>().last())
            equal(ChannelStatus.CLOSED, party.channel(id).status)
            equal(ChannelStatus.OPEN, party.channel(successor).status)
            equal(id, party.channel(successor).predecessor)
        }
        id = successor
    }

    test("a payer withdraws with one transaction, and the channel goes on") {
        payer.wallet.withdraw(id, out, now())
        val before = id
        goOn()
        equal(out, world.node.balance(couple.payerDestination), "the payer's destination")
        equal(deposit + more - out, payee.channel(id).holdings)
        equal(Payout(BigInteger.ZERO, out, deposit + more - out), payee.channel(before).payout)
        payer.wallet.pay(id, price * 5, Purchase(), now())
        equal(price * 15, payee.channel(id).balances.payee)
    }

    test("a payee withdraws what it earned, and sends the transaction") {
        payee.wallet.withdraw(id, earned, now())
        goOn()
        equal(listOf(TransactionKind.CONCLUDE), payee.asked)
        equal(earned, world.node.balance(couple.payeeDestination), "the payee's destination")
        payer.wallet.pay(id, price, Purchase(), now())
        equal(price * 16 - earned, payee.channel(id).balances.payee)
    }

    test("it closes to the unit") {
        payer.wallet.closeChannel(id, now())
        couple.confirm()
        equal(ChannelStatus.CLOSED, payer.channel(id).status)
        equal(price * 16, world.node.balance(couple.payeeDestination), "the payee's destination")
        equal(deposit + more - price * 16, world.node.balance(couple.payerDestination), "the payer's destination")
        equal(-(deposit + more), couple.gain(world.payerAccount), "the payer's account")
        equal(BigInteger.ZERO, couple.gain(world.payeeAccount), "the payee's account")
        for (party in listOf(payer, payee)) equal(emptyList(), party.events.filterIsInstance<Event.Reorganised>())
    }
}
