# Windows Server DHCP, in PowerShell as administrator. Set the scope of the machines first.
# Written after Microsoft's documentation of the module DhcpServer and never run: try it with one machine of each kind first.
# An iPXE that runs already asks as BIOS or UEFI again: Windows cannot tell it by its user class written as iPXE does.
# Give it a script of its own (autoexec), or let fleetcast answer in proxy mode.
$scope = '192.168.1.0'
Add-DhcpServerv4OptionDefinition -OptionId 60 -Name 'PXEClient' -Type String -ErrorAction SilentlyContinue
Add-DhcpServerv4Class -Name 'fleetcast BIOS' -Type Vendor -Data 'PXEClient:Arch:00000'
Add-DhcpServerv4Policy -Name 'fleetcast BIOS' -ScopeId $scope -Condition OR -ProcessingOrder 1 -VendorClass EQ,'fleetcast BIOS*'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast BIOS' -OptionId 66 -Value '10.77.0.1'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast BIOS' -OptionId 67 -Value 'undionly.kpxe'
Add-DhcpServerv4Class -Name 'fleetcast UEFI-x64' -Type Vendor -Data 'PXEClient:Arch:00007'
Add-DhcpServerv4Policy -Name 'fleetcast UEFI-x64' -ScopeId $scope -Condition OR -ProcessingOrder 2 -VendorClass EQ,'fleetcast UEFI-x64*'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast UEFI-x64' -OptionId 66 -Value '10.77.0.1'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast UEFI-x64' -OptionId 67 -Value 'shimx64.efi'
Add-DhcpServerv4Class -Name 'fleetcast UEFI-x64-EBC' -Type Vendor -Data 'PXEClient:Arch:00009'
Add-DhcpServerv4Policy -Name 'fleetcast UEFI-x64-EBC' -ScopeId $scope -Condition OR -ProcessingOrder 3 -VendorClass EQ,'fleetcast UEFI-x64-EBC*'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast UEFI-x64-EBC' -OptionId 66 -Value '10.77.0.1'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast UEFI-x64-EBC' -OptionId 67 -Value 'shimx64.efi'
Add-DhcpServerv4Class -Name 'fleetcast UEFI-arm64' -Type Vendor -Data 'PXEClient:Arch:00011'
Add-DhcpServerv4Policy -Name 'fleetcast UEFI-arm64' -ScopeId $scope -Condition OR -ProcessingOrder 4 -VendorClass EQ,'fleetcast UEFI-arm64*'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast UEFI-arm64' -OptionId 66 -Value '10.77.0.1'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast UEFI-arm64' -OptionId 67 -Value 'ipxe-arm64.efi'
Add-DhcpServerv4Class -Name 'fleetcast HTTP-x64' -Type Vendor -Data 'HTTPClient:Arch:00016'
Add-DhcpServerv4Policy -Name 'fleetcast HTTP-x64' -ScopeId $scope -Condition OR -ProcessingOrder 5 -VendorClass EQ,'fleetcast HTTP-x64*'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast HTTP-x64' -OptionId 60 -Value 'HTTPClient'
Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName 'fleetcast HTTP-x64' -OptionId 67 -Value 'http://10.77.0.1:8470/boot/shimx64.efi'
