package millstream

import java.math.BigInteger
import java.nio.file.Path

/** What the tests share. */
class World(
    val node: Node,
    val chainId: ULong,
    val adjudicator: Address,
    val streamApp: Address,
    val consensusApp: Address,
    val payerAccount: Address,
    val payeeAccount: Address,
    val directory: Path,
) {
    /** Who is reached under which channel key. */
    val peers = mutableMapOf<Address, Party>()

    /** Wei that transactions cost, by account. */
    val gas = mutableMapOf<Address, BigInteger>()

    fun config(destination: Address, secret: ByteArray? = null) = CoreConfig(
        chainId = chainId,
        adjudicator = adjudicator,
        streamApp = streamApp,
        consensusApp = consensusApp,
        destination = destination,
        secret = secret,
    )
}

/** Seconds since 1970. */
fun now() = (System.currentTimeMillis() / 1_000).toULong()

/** One side of a channel: a wallet, and what it needs of the world. Messages arrive at once, in the middle of the call. */
class Party(
    private val world: World,
    private val account: Address,
    val destination: Address,
    directory: Path,
    val core: Core = Core(world.config(destination)),
    /** Whether the wallet starts without records, and reads each when it is named. */
    startEmpty: Boolean = false,
) : Transport, Chain, Listener {
    val store = FlakyStore(FileStore(directory), startEmpty)
    val wallet: Wallet
    val events = mutableListOf<Event>()
    val failures = mutableListOf<HostFailure>()
    val questions = mutableMapOf<ULong, SpendRefusal>()

    /** What was handed over, also if it was then lost. */
    val payments = mutableListOf<Payment>()
    /** How many messages were to be sent, also if they were then lost. */
    var messages = 0
    /** The transactions that the wallet asked for. */
    val asked = mutableListOf<TransactionKind>()
    var losePayments = false
    var offline = false
    var refuseTransactions = false
    var throwFromListener = false

    init {
        world.peers[core.address()] = this
        wallet = try {
            Wallet(core, store, this, this, this, now())
        } catch (error: MillstreamException) {
            store.files.close()
            throw error
        }
    }

    override fun send(peer: Address, channelId: Bytes32, bytes: ByteArray) {
        messages += 1
        if (offline) throw HostException.Failed("no network")
        world.peers.getValue(peer).receive(bytes)
    }

    private fun receive(bytes: ByteArray) = wallet.message(bytes, now())

    override fun pay(peer: Address, payment: Payment) {
        payments += payment
        if (!losePayments) world.peers.getValue(peer).wallet.payment(payment.bytes, now())
    }

    override fun submit(channelId: Bytes32, transaction: Transaction) {
        asked += transaction.kind
        if (refuseTransactions) throw HostException.Failed("the owner said no")
        world.gas.merge(account, world.node.send(account, transaction), BigInteger::add)
    }

    override fun event(event: Event) {
        events += event
        check(!throwFromListener) { "a listener with a defect" }
    }

    override fun asked(id: ULong, channelId: Bytes32, question: SpendRefusal) {
        questions[id] = question
    }

    override fun wakeAt(time: ULong) = Unit

    override fun failed(failure: HostFailure) {
        failures += failure
    }

    fun channel(id: Bytes32) = checkNotNull(wallet.channel(id, now())) { "no channel $id" }

    /** Reports the chain to the wallet, from behind what its channels have seen. */
    fun look() {
        val seen = core.channels().minOfOrNull { it.seenBlock ?: 0uL } ?: 0uL
        wallet.chainUpdate(world.node.update(world.adjudicator, seen - minOf(seen, 8uL)), now())
    }

    /** Throws the wallet away as a crash would: nothing is said to it, and only its files remain. */
    fun crash() {
        world.peers.remove(core.address())
        store.files.close()
        wallet.close()
        core.close()
    }
}

/** A payer and a payee with fresh destinations, and what their accounts have at the start. */
class Couple(val world: World, name: String, makePayer: (CoreConfig) -> Core = { Core(it) }) {
    private val node = world.node
    private val payerDirectory = world.directory.resolve("$name payer")
    val payerDestination = freshAddress()
    val payeeDestination = freshAddress()
    var payer = party(world.payerAccount, payerDestination, payerDirectory, makePayer(world.config(payerDestination)))
    val payee = Party(world, world.payeeAccount, payeeDestination, world.directory.resolve("$name payee"))
    private val before = listOf(world.payerAccount, world.payeeAccount).associateWith { node.balance(it) + gas(it) }

    private fun gas(account: Address) = world.gas.getOrDefault(account, BigInteger.ZERO)

    private fun party(account: Address, destination: Address, directory: Path, core: Core, startEmpty: Boolean = false) =
        Party(world, account, destination, directory, core, startEmpty)

    /** The payer's wallet again, from its store or from another folder. */
    fun payer(core: Core, folder: String? = null, startEmpty: Boolean = false): Party {
        val directory = folder?.let(world.directory::resolve) ?: payerDirectory
        return party(world.payerAccount, payerDestination, directory, core, startEmpty)
    }

    /** What an account has more than at the start, not counting what it paid for gas. */
    fun gain(account: Address): BigInteger = node.balance(account) + gas(account) - before.getValue(account)

    /** Opens a channel and has its deposit confirmed. */
    fun open(): Bytes32 {
        val id = payer.wallet.openChannel(terms(payee.core.address(), payeeDestination), now())
        confirm()
        equal(ChannelStatus.OPEN, payer.channel(id).status)
        equal(ChannelStatus.OPEN, payee.channel(id).status)
        return id
    }

    /** Mines until the last transaction is deep enough, and lets both sides see it. */
    fun confirm() {
        node.mine(CONFIRMATIONS - 1)
        payer.look()
        payee.look()
    }
}

/** A store that fails when told to. */
class FlakyStore(val files: FileStore, private val startEmpty: Boolean) : Store {
    var failWrites = false
    var failReads = false

    /** When each record next needs attention, as its last write said. */
    val wakeAt = mutableMapOf<Bytes32, ULong?>()
    /** The keys of each commit. */
    val commits = mutableListOf<List<Bytes32>>()

    override fun loadAll() = if (startEmpty) emptyList() else files.loadAll()

    override fun load(keys: List<Bytes32>): List<StoredRecord> {
        if (failReads) throw StoreException.Failed("cannot read")
        return files.load(keys)
    }

    override fun commit(writes: List<Write>) {
        check(!failWrites) { "disk full" } // an exception that no store declares
        files.commit(writes)
        writes.forEach { wakeAt[it.key] = it.wakeAt }
        commits += writes.map { it.key }
    }
}
