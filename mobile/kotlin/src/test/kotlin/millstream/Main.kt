package millstream

import java.math.BigInteger
import java.nio.file.Files
import java.nio.file.Path
import java.security.SecureRandom
import kotlin.concurrent.thread

const val NATIVE: Address = "0x0000000000000000000000000000000000000000"
val NOTHING: Bytes32 = "0x" + "0".repeat(64)
const val CONFIRMATIONS = 2

val price: BigInteger = BigInteger.valueOf(1_000_003)
val deposit: BigInteger = price * 100

operator fun BigInteger.times(factor: Int): BigInteger = this * factor.toBigInteger()

/** An account that has never held anything. */
fun freshAddress() = ByteArray(20).also(SecureRandom()::nextBytes).toHex()

/** Arguments: URL of the development chain, its id, adjudicator, both apps, two accounts of the node, a folder. */
fun main(args: Array<String>) {
    val (url, chainId, adjudicator, streamApp, consensusApp) = args
    val (payerAccount, payeeAccount, folder) = args.drop(5)
    val directory = Files.createDirectories(Path.of(folder))
    val node = Node(url)
    val world = World(node, chainId.toULong(), adjudicator, streamApp, consensusApp, payerAccount, payeeAccount, directory)
    Checks().run {
        border(world)
        store(world)
        example(world)
        life(world)
        updates(world)
        spending(world)
        keys(world)
        signer(world)
        finish()
    }
}

/** What crosses the border, without a host. */
private fun Checks.border(world: World) {
    test("what is wrong with an argument is told with its code") {
        val core = Core(world.config(freshAddress()))
        equal("INVALID_HEX", codeOf { core.channel("0x12") })
        equal("INVALID_HEX", codeOf { Core(world.config("nowhere")) })
        equal("SIGN_INVALID_SECRET", codeOf { Core(world.config(freshAddress(), ByteArray(32))) })
        equal("SIGN_INVALID_SECRET", codeOf { Core(world.config(freshAddress(), ByteArray(31) { 1 })) })
        fun pay(amount: BigInteger) = codeOf { core.handle(Input.Command(Command.Pay(NOTHING, amount, Purchase())), now()) }
        equal("AMOUNT_OUT_OF_RANGE", pay(BigInteger.ONE.shiftLeft(128)))
        equal("AMOUNT_OUT_OF_RANGE", pay(-BigInteger.ONE))
        equal("UNKNOWN_COMMIT", codeOf { core.handle(Input.Committed(7uL), now()) })
        equal("UNKNOWN_SIGNATURE", codeOf { core.handle(Input.SignRefused(NOTHING), now()) })
    }

    test("a channel that is named is loaded, and the input fed again") {
        val core = Core(world.config(freshAddress()))
        fun ping() = codeOf { core.handle(Input.Command(Command.Ping(NOTHING)), now()) }
        equal("CHANNEL_LOADING", ping())
        equal(Output.Load(listOf(NOTHING)), core.pollOutput())
        core.handle(Input.Loaded(listOf(StoredRecord(NOTHING, 0uL, null))), now())
        equal("UNKNOWN_CHANNEL", ping())
    }

    test("a core made of an exported secret is the same") {
        val core = Core(world.config(freshAddress()))
        equal(core.address(), Core(world.config(freshAddress(), core.exportSecret())).address())
    }

    test("nothing follows a commit before it is stored") {
        val core = Core(world.config(freshAddress()))
        val id = core.openChannel(terms(freshAddress(), freshAddress()), now())
        val outputs = generateSequence(core::pollOutput).toList()
        val commit = outputs.filterIsInstance<Output.Commit>().single()
        equal(listOf(id), commit.writes.map { it.key })
        equal(emptyList(), outputs.filterIsInstance<Output.Send>())
        core.handle(Input.Committed(commit.id), now())
        equal(id, generateSequence(core::pollOutput).filterIsInstance<Output.Send>().single().channelId)
    }

    test("a quote is read by its payer as its payee signed it") {
        val (payee, payer) = List(2) { Core(world.config(freshAddress())) }
        val terms = QuoteTerms(
            contentRoot = NOTHING,
            length = 1_000uL,
            chunkSize = 300u,
            chunks = 4u,
            unit = QuoteUnit.CHUNK,
            units = 4uL,
            price = price,
            credit = price,
            asset = NATIVE,
            challengeDuration = 3_600uL,
            confirmations = CONFIRMATIONS.toUInt(),
            expiresAt = now() + 60uL,
            hubs = NOTHING,
        )
        val signed = payee.signQuote(terms)
        val quote = payer.readQuote(signed, now())
        equal(payee.address(), quote.payee)
        equal(QuoteUnit.CHUNK, quote.unit)
        equal(price * 4, quote.total)
        equal("QUOTE_EXPIRED", codeOf { payer.readQuote(signed, now() + 61uL) })
        equal("QUOTE_MALFORMED", codeOf { payer.readQuote(ByteArray(3), now()) })
    }
}

fun terms(payee: Address, payeeDestination: Address) = OpenTerms(
    payee = payee,
    payeeDestination = payeeDestination,
    asset = NATIVE,
    deposit = deposit,
    challengeDuration = 3_600uL,
    confirmations = CONFIRMATIONS.toUInt(),
)

private fun Checks.example(world: World) {
    test("the example of the README pays") {
        val couple = Couple(world, "example")
        payOnce(couple.payer.wallet, terms(couple.payee.core.address(), couple.payeeDestination), price, couple::confirm)
        equal(price, world.node.balance(couple.payeeDestination), "the payee's destination")
        equal(deposit - price, world.node.balance(couple.payerDestination), "the payer's destination")
    }
}

/** The life of one channel, each test standing on the one before. */
private fun Checks.life(world: World) {
    val node = world.node
    val couple = Couple(world, "life")
    var payer = couple.payer
    val payee = couple.payee
    val secret = payer.core.exportSecret()
    var id: Bytes32 = NOTHING
    var paid = BigInteger.ZERO
    fun core(secret: ByteArray) = Core(world.config(couple.payerDestination, secret))
    fun pay(amount: BigInteger = price) = payer.wallet.pay(id, amount, Purchase(), now()).also { paid += amount }

    test("a channel opens with one deposit") {
        payer.refuseTransactions = true
        id = payer.wallet.openChannel(terms(payee.core.address(), couple.payeeDestination), now())
        equal(ChannelStatus.SIGNED, payer.channel(id).status)
        equal(listOf("TRANSACTION_FAILED"), payer.failures.map { it.code })
        equal(BigInteger.ZERO, couple.gain(world.payerAccount), "gain before the deposit")
        check(checkNotNull(payee.store.wakeAt[id]) > now()) { "the store does not know when the channel expires" }
        payer.refuseTransactions = false
        payer.wallet.resume(id, now())
        payer.look()
        payee.look()
        equal(ChannelStatus.SIGNED, payer.channel(id).status, "status after one block")
        couple.confirm()
        equal(ChannelStatus.OPEN, payer.channel(id).status)
        equal(ChannelStatus.OPEN, payee.channel(id).status)
        equal(deposit, payee.channel(id).holdings)
        check(payee.store.wakeAt[id] != null) { "nobody would look whether the deposit is taken back" }
        world.node.mine(64)
        payee.look()
        equal(null, payee.store.wakeAt[id], "when an idle channel needs attention")
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
            couple.payer(core(secret))
            throw AssertionError("it was opened")
        } catch (_: StoreException.Failed) {
        }
    }

    test("a payer that crashed goes on from its store, and its next payment makes up for the lost one") {
        val before = payer.channel(id)
        payer.crash()
        equal("RECORD_FOREIGN", codeOf { couple.payer(core(ByteArray(32) { 1 })) })
        payer = couple.payer(core(secret), startEmpty = true)
        couple.payer = payer
        equal(emptyList(), payer.core.channels())
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
        payer.wallet.pay(id, price, Purchase(), now())
        equal(listOf("STORE_FAILED", "STORE_FAILED"), payer.failures.map { it.code })
        equal(sent, payer.payments.size)
        equal("STORE_FAILED", codeOf { payer.wallet.pay(id, price, Purchase(), now()) })
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
        val terms = terms(payee.core.address(), couple.payeeDestination)
        val token = payer.wallet.openChannel(terms.copy(asset = freshAddress()), now())
        payer.refuseTransactions = false
        equal(ChannelStatus.SIGNED, payer.channel(token).status)
        equal(listOf(TransactionKind.APPROVE), payer.asked)
    }

    test("of two writers the later one is stopped by the versions of the store, and reads anew") {
        val second = Wallet(core(secret), payer.store, payer, payer, payer, now())
        second.pay(id, price, Purchase(), now())
        paid += price
        val sent = payer.payments.size
        payer.failures.clear()
        payer.wallet.pay(id, price * 7, Purchase(), now())
        equal(listOf("STORE_CONFLICT"), payer.failures.map { it.code })
        equal(sent, payer.payments.size)
        equal(paid, payer.channel(id).cumulativeAmount, "what the other one paid")
        second.close()
        pay()
        equal(paid, payee.channel(id).cumulativeAmount)
    }

    test("payments from several threads are each made once") {
        List(4) { thread { repeat(5) { payer.wallet.pay(id, price, Purchase(), now()) } } }.forEach(Thread::join)
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
            payer.wallet.pay(id, payer.channel(id).remaining + BigInteger.ONE, Purchase(), now())
        })
    }

    test("a closed channel pays out to the unit") {
        payer.wallet.closeChannel(id, now())
        equal("CHANNEL_NOT_OPEN", codeOf { payer.wallet.pay(id, price, Purchase(), now()) })
        couple.confirm()
        equal(ChannelStatus.CLOSED, payer.channel(id).status)
        equal(ChannelStatus.CLOSED, payee.channel(id).status)
        val closed = Event.Closed(id, paid, deposit - paid, BigInteger.ZERO)
        equal(closed, payer.events.filterIsInstance<Event.Closed>().single())
        equal(closed, payee.events.filterIsInstance<Event.Closed>().single())

        equal(price * 59, paid, "what was paid in all") // 24 + 1 + 1 + 9, 1, 1 + 1, 20, 1
        equal(paid, node.balance(couple.payeeDestination), "the payee's destination")
        equal(deposit - paid, node.balance(couple.payerDestination), "the payer's destination")
        equal(BigInteger.ZERO, node.balance(world.adjudicator), "what the adjudicator still holds")
        equal(-deposit, couple.gain(world.payerAccount), "the payer's account")
        equal(BigInteger.ZERO, couple.gain(world.payeeAccount), "the payee's account")
        equal(emptyList(), payee.asked, "what the payee sent")
    }
}
