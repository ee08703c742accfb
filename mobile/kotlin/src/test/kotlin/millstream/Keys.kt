package millstream

import java.security.SecureRandom

/** The twelve words of sixteen zero bytes. */
private const val ZERO_WORDS =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

/** Where keys come from, and what a backup brings back. */
fun Checks.keys(world: World) {
    test("words, seed and channel key are those of other implementations") {
        val mnemonic = Mnemonic.fromEntropy(ByteArray(16))
        equal(ZERO_WORDS, mnemonic.phrase())
        equal(ZERO_WORDS, Mnemonic.parse("  ${ZERO_WORDS.uppercase()}\n").phrase())
        // A vector of BIP-39.
        val seed = "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c" +
            "4ab7c81b2f001698e7463b04"
        equal("0x$seed", mnemonic.deriveSeed("TREZOR").toBytes().toHex())
        // Path and address made with ethers.
        val adjudicator = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
        val path = "m/43'/60'/1835625580'/0'/0'/0'/31337'/11'/2077958933'/868581221'/1302315211'/847169630'/1679297187'"
        equal(path, channelKeyPath(31_337uL, adjudicator))
        val config = world.config(freshAddress()).copy(chainId = 31_337uL, adjudicator = adjudicator)
        val core = Core.fromSeed(config, mnemonic.deriveSeed(""))
        equal("0x728e7e31177eac42d4b4ed12131fa8a5ede85ca8", core.address())
        val kept = Seed.fromBytes(mnemonic.deriveSeed("").toBytes())
        equal(core.address(), Core.fromSeed(config, kept).address())
        equal("KEY_ELSEWHERE", codeOf { core.exportSecret() })
    }

    test("words that are none are refused by name") {
        equal("MNEMONIC_ENTROPY_LENGTH", codeOf { Mnemonic.fromEntropy(ByteArray(20)) })
        equal("MNEMONIC_WORD_COUNT", codeOf { Mnemonic.parse("abandon about") })
        equal("MNEMONIC_UNKNOWN_WORD", codeOf { Mnemonic.parse(ZERO_WORDS.replace("about", "kotlin")) })
        equal("MNEMONIC_CHECKSUM", codeOf { Mnemonic.parse(ZERO_WORDS.replace("about", "abandon")) })
        equal("MNEMONIC_PASSPHRASE_NOT_ASCII", codeOf { Mnemonic.parse(ZERO_WORDS).deriveSeed("Straße") })
        equal("SEED_LENGTH", codeOf { Seed.fromBytes(ByteArray(63)) })
    }

    test("records for a server open with the wallet's seed alone") {
        val (seed, other) = listOf("", "other").map { Mnemonic.parse(ZERO_WORDS).deriveSeed(it) }
        val records = listOf(StoredRecord("0x" + "ab".repeat(32), 3uL, byteArrayOf(1, 2, 3)))
        val sealed = seed.exportRecords(records + StoredRecord(NOTHING, 0uL, null))
        val opened = seed.importRecords(sealed)
        equal(records.map { it.key to it.version }, opened.map { it.key to it.version })
        equal(listOf<Byte>(1, 2, 3), opened.single().bytes?.toList())
        equal("BACKUP_UNREADABLE", codeOf { other.importRecords(sealed) })
        equal("BACKUP_NEEDS_SEED", codeOf { importBackup(sealed, "passphrase") })
    }

    test("how hard a passphrase is to guess can be chosen, within limits") {
        fun export(memoryKib: UInt) =
            Mnemonic.parse(ZERO_WORDS).exportBackup(emptyList(), "passphrase", KdfParams(memoryKib, 1u))
        equal(ZERO_WORDS, importBackup(export(1_024u), "passphrase").mnemonic.phrase())
        equal("BACKUP_PARAMETERS", codeOf { export(1u) })
        equal("BACKUP_PASSPHRASE_EMPTY", codeOf { Mnemonic.parse(ZERO_WORDS).exportBackup(emptyList(), "") })
    }

    restored(world)
}

/** A payer loses its store and comes back from a backup that is older than its last payments. */
private fun Checks.restored(world: World) {
    val words = Mnemonic.fromEntropy(ByteArray(16).also(SecureRandom()::nextBytes))
    val couple = Couple(world, "restoring") { Core.fromSeed(it, words.deriveSeed("")) }
    val payee = couple.payee
    var id: Bytes32 = NOTHING
    fun pay() = couple.payer.wallet.pay(id, price, Purchase(), now())

    test("a wallet that was restored asks the payee before it signs, and then pays on") {
        id = couple.open()
        repeat(5) { pay() }
        val backup = backUp(words, couple.payer.store.files, "a passphrase")
        repeat(3) { pay() }
        couple.payer.crash()

        equal("BACKUP_UNREADABLE", codeOf { importBackup(backup, "another") })
        equal(words.phrase(), importBackup(backup, "a passphrase").mnemonic.phrase())
        comeBack(backup, "a passphrase", world.config(couple.payerDestination)) { core ->
            couple.payer = couple.payer(core, "restored payer")
            equal("UNKNOWN_CHANNEL", codeOf { pay() })
            couple.payer.offline = true
            couple.payer.wallet
        }
        val payer = couple.payer
        equal(ChannelStatus.DISCONNECTED, payer.channel(id).status)
        equal(1, payer.messages, "questions to the payee")
        equal("CHANNEL_NOT_OPEN", codeOf { pay() })
        equal(0, payer.payments.size)
        equal(price * 5, payer.channel(id).cumulativeAmount, "what the backup knows")

        payer.offline = false
        payer.wallet.resume(id, now())
        equal(ChannelStatus.OPEN, payer.channel(id).status)
        equal(price * 8, payer.channel(id).cumulativeAmount, "what the payee knows")
        repeat(2) { pay() }
        equal(price * 10, payee.channel(id).cumulativeAmount)
        equal(price, payee.events.filterIsInstance<Event.PaymentReceived>().last().amount)
    }

    test("records of another key are not restored") {
        val stranger = Couple(world, "stranger").payer
        equal("RECORD_FOREIGN", codeOf { stranger.wallet.restore(couple.payer.store.loadAll(), now()) })
        equal(emptyList(), stranger.store.loadAll())
    }

    test("it closes to the unit") {
        couple.payer.wallet.closeChannel(id, now())
        couple.confirm()
        equal(ChannelStatus.CLOSED, couple.payer.channel(id).status)
        equal(price * 10, world.node.balance(couple.payeeDestination), "the payee's destination")
        equal(deposit - price * 10, world.node.balance(couple.payerDestination), "the payer's destination")
    }
}
