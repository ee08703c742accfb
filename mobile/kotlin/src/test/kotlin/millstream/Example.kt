package millstream

fun payOnce(wallet: Wallet, terms: OpenTerms, amount: Amount, reportChain: () -> Unit) {
    val id = wallet.openChannel(terms, now()) // messages go to transport.send, the deposit to chain.submit
    reportChain() // wallet.chainUpdate(...), until the deposit is deep enough
    check(wallet.channel(id, now())?.status == ChannelStatus.OPEN)
    wallet.pay(id, amount, NOTHING, now()) // goes to transport.pay once it is stored
    wallet.closeChannel(id, now()) // one transaction pays both sides out
    reportChain()
    check(wallet.channel(id, now())?.payout?.paid == amount)
}
