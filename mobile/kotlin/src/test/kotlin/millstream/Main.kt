package millstream

import java.math.BigInteger
import java.nio.file.Files
import java.nio.file.Path
import java.security.SecureRandom
import kotlin.concurrent.thread

const val NATIVE: Address = "0x0000000000000000000000000000000000000000"
val NOTHING: Bytes32 = "0x" + "0".repeat(64)
const val CONFIRMATIONS = 2

private val price = BigInteger.valueOf(1_000_003)
private val deposit = price * BigInteger.valueOf(100)

private operator fun BigInteger.times(factor: Int) = this * factor.toBigInteger()

/** An account that has never held anything. */
private fun freshAddress() = ByteArray(20).also(SecureRandom()::nextBytes).toHex()

/** Arguments: URL of the development chain, its id, adjudicator, stream app, two accounts of the node, a folder. */
fun main(args: Array<String>) {
    val (url, chainId, adjudicator, streamApp) = args
    val (payerAccount, payeeAccount, folder) = args.drop(4)
    val world = World(Node(url), chainId.toULong(), adjudicator, streamApp)
    val directory = Files.createDirectories(Path.of(folder))
    val checks = Checks()
    checks.border(world)
    checks.example(world, payerAccount, payeeAccount, directory)
    checks.life(world, payerAccount, payeeAccount, directory)
    checks.finish()
}

/** What crosses the border, without a host. */
private fun Checks.border(world: World) {
    test("what is wrong with an argument is told with its code") {
        val core = Core(world.config(freshAddress(), null))
        equal("INVALID_HEX", codeOf { core.channel("0x12") })
        equal("INVALID_HEX", codeOf { Core(world.config("nowhere", null)) })
        equal("SIGN_INVALID_SECRET", codeOf { Core(world.config(freshAddress(), ByteArray(32))) })
        equal("SIGN_INVALID_SECRET", codeOf { Core(world.config(freshAddress(), ByteArray(31) { 1 })) })
        fun pay(amount: BigInteger) = codeOf { core.handle(Input.Command(Command.Pay(NOTHING, amount, NOTHING)), now()) }
        equal("AMOUNT_OUT_OF_RANGE", pay(BigInteger.ONE.shiftLeft(128)))
        equal("AMOUNT_OUT_OF_RANGE", pay(-BigInteger.ONE))
        equal("UNKNOWN_CHANNEL", pay(BigInteger.ONE.shiftLeft(128) - BigInteger.ONE))
        equal("UNKNOWN_COMMIT", codeOf { core.handle(Input.Committed(7uL), now()) })
    }

    test("a core made of an exported secret is the same") {
        val core = Core(world.config(freshAddress(), null))
        equal(core.address(), Core(world.config(freshAddress(), core.exportSecret())).address())
    }

    test("nothing follows a commit before it is stored") {
        val core = Core(world.config(freshAddress(), null))
        val id = core.openChannel(terms(freshAddress(), freshAddress()), now())
        val outputs = generateSequence(core::pollOutput).toList()
        val commit = outputs.filterIsInstance<Output.Commit>().single()
        equal(listOf(id), commit.writes.map { it.key })
        equal(emptyList(), outputs.filterIsInstance<Output.Send>())
        core.handle(Input.Committed(commit.id), now())
        equal(id, generateSequence(core::pollOutput).filterIsInstance<Output.Send>().single().channelId)
    }

    test("a quote is read by its payer as its payee signed it") {
        val (payee, payer) = List(2) { Core(world.config(freshAddress(), null)) }
        val terms = QuoteTerms(
            contentRoot = NOTHING,
            length = 1_000uL,
            chunkSize = 300u,
            price = price,
            asset = NATIVE,
            challengeDuration = 3_600uL,
            confirmations = CONFIRMATIONS.toUInt(),
            expiresAt = now() + 60uL,
        )
        val signed = payee.signQuote(terms)
        val quote = payer.readQuote(signed, now())
        equal(payee.address(), quote.payee)
        equal(4uL, quote.chunks)
        equal(price * 4, quote.total)
        equal("QUOTE_EXPIRED", codeOf { payer.readQuote(signed, now() + 61uL) })
        equal("QUOTE_MALFORMED", codeOf { payer.readQuote(ByteArray(3), now()) })
    }
}

private fun terms(payee: Address, payeeDestination: Address) = OpenTerms(
    payee = payee,
    payeeDestination = payeeDestination,
    asset = NATIVE,
    deposit = deposit,
    challengeDuration = 3_600uL,
    confirmations = CONFIRMATIONS.toUInt(),
)

private fun Checks.example(world: World, payerAccount: Address, payeeAccount: Address, directory: Path) {
    test("the example of the README pays") {
        val payer = Party(world, payerAccount, freshAddress(), directory.resolve("example payer"))
        val payee = Party(world, payeeAccount, freshAddress(), directory.resolve("example payee"))
        payOnce(payer.wallet, terms(payee.core.address(), payee.destination), price) {
            world.node.mine(CONFIRMATIONS)
            payer.look()
            payee.look()
        }
        equal(price, world.node.balance(payee.destination), "the payee's destination")
        equal(deposit - price, world.node.balance(payer.destination), "the payer's destination")
    }
}

/** The life of one channel, each test standing on the one before. */
private fun Checks.life(world: World, payerAccount: Address, payeeAccount: Address, directory: Path) {
    val node = world.node
    val payerBefore = node.balance(payerAccount)
    val gasBefore = world.gas.getOrDefault(payerAccount, BigInteger.ZERO)
    val payeeBefore = node.balance(payeeAccount)
    val (payerDestination, payeeDestination) = List(2) { freshAddress() }
    var payer = Party(world, payerAccount, payerDestination, directory.resolve("payer"))
    val payee = Party(world, payeeAccount, payeeDestination, directory.resolve("payee"))
    val secret = payer.core.exportSecret()
    var id: Bytes32 = NOTHING
    var paid = BigInteger.ZERO
    fun pay(amount: BigInteger = price) = payer.wallet.pay(id, amount, NOTHING, now()).also { paid += amount }
    fun restart() = Party(world, payerAccount, payerDestination, directory.resolve("payer"), secret)
    fun confirm() {
        node.mine(CONFIRMATIONS - 1)
        payer.look()
        payee.look()
    }

    test("a channel opens with one deposit") {
        payer.refuseTransactions = true
        id = payer.wallet.openChannel(terms(payee.core.address(), payeeDestination), now())
        equal(ChannelStatus.SIGNED, payer.channel(id).status)
        equal(listOf("TRANSACTION_FAILED"), payer.failures.map { it.code })
        equal(payerBefore, node.balance(payerAccount), "balance before the deposit")
        payer.refuseTransactions = false
        payer.wallet.resume(id, now())
        payer.look()
        payee.look()
        equal(ChannelStatus.SIGNED, payer.channel(id).status, "status after one block")
        confirm()
        equal(ChannelStatus.OPEN, payer.channel(id).status)
        equal(ChannelStatus.OPEN, payee.channel(id).status)
        equal(deposit, payee.channel(id).holdings)
    }

    test("25 payments arrive, all but the last, which is lost") {
        repeat(24) { pay() }
        payer.losePayments = true
        pay()
        equal(price * 24, payee.channel(id).cumulativeAmount)
        equal(price * 25, payer.channel(id).cumulativeAmount)
        equal(24, payee.events.filterIsInstance<Event.PaymentReceived>().size)
        equal(25, payer.payments.size)
    }

    test("a store in use is not opened again") {
        try {
            restart()
            throw AssertionError("it was opened")
        } catch (_: StoreException.Failed) {
        }
    }

    test("a payer that crashed goes on from its store, and its next payment makes up for the lost one") {
        val before = payer.channel(id)
        payer.crash()
        equal("RECORD_FOREIGN", codeOf {
            Party(world, payerAccount, payerDestination, directory.resolve("payer"), ByteArray(32) { 1 })
        })
        payer = restart()
        equal(before, payer.channel(id))
        pay()
        equal(26u, payer.payments.single().serial)
        equal(price * 2, payee.events.filterIsInstance<Event.PaymentReceived>().last().amount)
        equal(paid, payee.channel(id).cumulativeAmount)
        repeat(9) { pay() }
        equal(paid, payee.channel(id).cumulativeAmount)
    }

    test("what cannot be stored does not leave") {
        val sent = payer.payments.size
        payer.store.failWrites = true
        payer.store.failReads = true
        payer.wallet.pay(id, price, NOTHING, now())
        equal(listOf("STORE_FAILED", "STORE_FAILED"), payer.failures.map { it.code })
        equal(sent, payer.payments.size)
        equal("CHANNEL_LOADING", codeOf { payer.wallet.pay(id, price, NOTHING, now()) })
        payer.store.failWrites = false
        payer.store.failReads = false
        payer.wallet.tick(now())
        equal(paid, payer.channel(id).cumulativeAmount)
        pay()
        equal(paid, payee.channel(id).cumulativeAmount)
    }

    test("a deposit is not sent when its approval was not") {
        payer.refuseTransactions = true
        payer.asked.clear()
        val token = payer.wallet.openChannel(terms(payee.core.address(), payeeDestination).copy(asset = freshAddress()), now())
        payer.refuseTransactions = false
        equal(ChannelStatus.SIGNED, payer.channel(token).status)
        equal(listOf(TransactionKind.APPROVE), payer.asked)
    }

    test("of two writers the later one is stopped by the versions of the store, and reads anew") {
        val other = Core(world.config(payerDestination, secret))
        val second = Wallet(other, payer.store, payer, payer, payer, now())
        second.pay(id, price, NOTHING, now())
        paid += price
        val sent = payer.payments.size
        payer.failures.clear()
        payer.wallet.pay(id, price * 7, NOTHING, now())
        equal(listOf("STORE_CONFLICT"), payer.failures.map { it.code })
        equal(sent, payer.payments.size)
        equal(paid, payer.channel(id).cumulativeAmount, "what the other one paid")
        second.close()
        pay()
        equal(paid, payee.channel(id).cumulativeAmount)
    }

    test("payments from several threads are each made once") {
        List(4) { thread { repeat(5) { payer.wallet.pay(id, price, NOTHING, now()) } } }.forEach(Thread::join)
        paid += price * 20
        equal(paid, payer.channel(id).cumulativeAmount)
        equal(paid, payee.channel(id).cumulativeAmount)
    }

    test("a listener that throws stops nothing") {
        payee.throwFromListener = true
        pay()
        payee.throwFromListener = false
        equal(paid, payee.channel(id).cumulativeAmount)
    }

    test("no more can be paid than was deposited") {
        equal("INSUFFICIENT_BALANCE", codeOf {
            payer.wallet.pay(id, payer.channel(id).remaining + BigInteger.ONE, NOTHING, now())
        })
    }

    test("a closed channel pays out to the unit") {
        payer.wallet.closeChannel(id, now())
        equal("CHANNEL_NOT_OPEN", codeOf { payer.wallet.pay(id, price, NOTHING, now()) })
        confirm()
        equal(ChannelStatus.CLOSED, payer.channel(id).status)
        equal(ChannelStatus.CLOSED, payee.channel(id).status)
        val closed = Event.Closed(id, paid, deposit - paid)
        equal(closed, payer.events.filterIsInstance<Event.Closed>().single())
        equal(closed, payee.events.filterIsInstance<Event.Closed>().single())

        equal(price * 59, paid, "what was paid in all") // 24 + 1 + 1 + 9, 1, 1 + 1, 20, 1
        equal(paid, node.balance(payeeDestination), "the payee's destination")
        equal(deposit - paid, node.balance(payerDestination), "the payer's destination")
        equal(BigInteger.ZERO, node.balance(world.adjudicator), "what the adjudicator still holds")
        val gas = world.gas.getValue(payerAccount) - gasBefore
        equal(payerBefore - deposit - gas, node.balance(payerAccount), "the payer's account")
        equal(payeeBefore, node.balance(payeeAccount), "the payee's account, which sent nothing")
    }
}
