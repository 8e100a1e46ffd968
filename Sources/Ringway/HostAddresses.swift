internal import RingwayEngine
internal import RingwayModel
internal import RingwaySystem
internal import RingwayTap
internal import Synchronization

/// A network whose guests are kept from every address of the host: which these are is followed for as long as that holds.
extension VirtualNetwork {
    /// Milliseconds after which the kernel is asked again that could not say which addresses there are.
    private static var retryInterval: UInt64 { 1_000 }

    /// Begins to follow the host's addresses.
    ///
    /// - Returns: the source of changes, and the present addresses.
    static func followHostAddresses() throws(Failure) -> (table: LocalAddressTable, addresses: AddressRanges) {
        do throws(SystemError) {
            let table = try LocalAddressTable()
            return (table, AddressRanges(try table.blocks()))
        } catch {
            throw Failure("guests cannot be kept from the host: \(error)")
        }
    }

    /// Watches the kernel's notifications on the network's own loop.
    func watchHostAddresses(_ table: LocalAddressTable) {
        loop.post { [weak self] in
            self?.loop.watch(table.descriptor) { [weak self] in
                if table.takeChanges() { self?.renewHostAddresses(table) }
            }
        }
    }

    /// Watches no longer.
    func unwatchHostAddresses(_ table: LocalAddressTable) {
        // The table's descriptor is closed behind this, and not before.
        loop.post { [weak self] in self?.loop.unwatch(table.descriptor) }
    }

    /// From the loop's thread.
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
            // The addresses that were known stay refused meanwhile.
            loop.after(milliseconds: Self.retryInterval) { [weak self] in self?.renewHostAddresses(table) }
        }
    }
}
