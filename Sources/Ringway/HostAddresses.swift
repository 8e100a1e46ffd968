internal import RingwayEngine
internal import RingwayModel
internal import RingwaySystem
internal import RingwayTap
internal import Synchronization

/// For networks whose guests may not reach any address of the host: follows the host's addresses.
extension VirtualNetwork {
    /// Milliseconds until the kernel is queried again after an error.
    private static var retryInterval: UInt64 { 1_000 }

    /// Starts to follow the host's addresses.
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

    /// Registers the kernel's notifications with the network's loop.
    func watchHostAddresses(_ table: LocalAddressTable) {
        loop.post { [weak self] in
            self?.loop.watch(table.descriptor) { [weak self] in
                if table.takeChanges() { self?.renewHostAddresses(table) }
            }
        }
    }

    /// Stops following the host's addresses.
    func unwatchHostAddresses(_ table: LocalAddressTable) {
        // The table's descriptor is closed after this closure.
        loop.post { [weak self] in self?.loop.unwatch(table.descriptor) }
    }

    /// Called on the loop's thread.
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
            // Until then the known addresses stay refused.
            loop.after(milliseconds: Self.retryInterval) { [weak self] in self?.renewHostAddresses(table) }
        }
    }
}
