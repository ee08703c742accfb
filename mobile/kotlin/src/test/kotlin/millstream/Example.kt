package millstream

fun payOnce(wallet: Wallet, terms: OpenTerms, amount: Amount, reportChain: () -> Unit) {
    val id = wallet.openChannel(terms, now()) // messages go to transport.send, the deposit to chain.submit
    reportChain() // wallet.chainUpdate(...), until the deposit is deep enough
    check(wallet.channel(id, now())?.status == ChannelStatus.OPEN)
    wallet.pay(id, amount, Purchase(), now()) // goes to transport.pay once it is stored
    wallet.closeChannel(id, now()) // one transaction pays both sides out
    reportChain()
    check(wallet.channel(id, now())?.payout?.paid == amount)
}

fun backUp(words: Mnemonic, store: FileStore, passphrase: String): ByteArray =
    words.exportBackup(store.loadAll(), passphrase)

fun comeBack(backup: ByteArray, passphrase: String, config: CoreConfig, drive: (Core) -> Wallet): Wallet {
    val (words, records) = importBackup(backup, passphrase)
    val wallet = drive(Core.fromSeed(config, words.deriveSeed(""))) // the same key, for the chain of `config`
    wallet.restore(records, now()) // asks each peer how far it got; nothing is signed before it answered
    return wallet
}
