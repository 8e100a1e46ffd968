internal import RingwayEngine
internal import RingwayModel
internal import RingwaySystem
internal import RingwayTap
internal import Synchronization

/// Follows changes of the host's addresses, for networks whose guests may not reach any of them.
extension VirtualNetwork {
    /// Milliseconds until the kernel is queried again after an error.
    private static var retryInterval: UInt64 { 1_000 }

    /// Opens a table of the host's addresses, and reads them. Throws if the kernel cannot be queried.
    ///
    /// - Returns: the table of addresses, and its current content.
    static func followHostAddresses() throws(Failure) -> (table: LocalAddressTable, addresses: AddressRanges) {
        do throws(SystemError) {
            let table = try LocalAddressTable()
            return (table, AddressRanges(try table.blocks()))
        } catch {
            throw Failure("guests cannot be kept from the host: \(error)")
        }
    }

    /// Watches for the kernel's notifications of changed addresses, on the network's control loop.
    func watchHostAddresses(_ table: LocalAddressTable) {
        loop.post { [weak self] in
            self?.loop.watch(table.descriptor) { [weak self] in
                if table.takeChanges() { self?.renewHostAddresses(table) }
            }
        }
    }

    /// Stops following the host's addresses.
    func unwatchHostAddresses(_ table: LocalAddressTable) {
        // The closure retains the table, so the table's descriptor is closed only after the loop has stopped watching
        // it.
        loop.post { [weak self] in self?.loop.unwatch(table.descriptor) }
    }

    /// Reads the host's addresses again. If they have changed, passes them to all guests. Called on the loop's thread.
    private func renewHostAddresses(_ table: LocalAddressTable) {
        do throws(SystemError) {
            let addresses = AddressRanges(try table.blocks())
            changes.withLock { _ in
                let change = state.withLock { state -> (DestinationPolicy, [Engine])? in
                    guard state.hostAddresses === table, state.policy.hostAddresses != addresses else { return nil }
                    state.policy.hostAddresses = addresses
                    return (state.policy, state.members.values.map(\.engine))
                }
                guard let (policy, engines) = change else { return }
                for engine in engines { engine.setPolicy(policy) }
            }
        } catch {
            // Until the retry succeeds, the addresses known so far stay refused.
            loop.after(milliseconds: Self.retryInterval) { [weak self] in self?.renewHostAddresses(table) }
        }
    }
}
